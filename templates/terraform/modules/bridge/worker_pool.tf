# https://cloud.google.com/run/docs/deploy-worker-pools: no open port, no scaling by
# requests, CPU all the time. To stop an instance, Cloud Run sends SIGTERM and kills it
# after 10 s. IRIS delivers the messages in flight again when their locks end.

# The bridge's position in the queue, which must survive an instance. The file system of
# an instance is new at every deployment: then a bridge that was down for more than three
# days could not report what it missed. It is written once a minute: some 130,000
# operations a month.
resource "google_storage_bucket" "state" {
  count = var.runs_on == "worker_pool" ? 1 : 0

  project  = var.project
  name     = "${var.project}-iris-bridge-state"
  location = var.region

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # one small file, useless without the bridge

  soft_delete_policy {
    retention_duration_seconds = 0 # the file is replaced every minute
  }
}

resource "google_storage_bucket_iam_member" "bridge_notes" {
  count = var.runs_on == "worker_pool" ? 1 : 0

  bucket = google_storage_bucket.state[0].name
  role   = "roles/storage.objectUser"
  member = var.account.member
}

resource "google_cloud_run_v2_worker_pool" "bridge" {
  count = var.runs_on == "worker_pool" ? 1 : 0

  project             = var.project
  location            = var.region
  name                = "iris-bridge"
  description         = "gb-iris bridge: the IRIS queue to Pub/Sub"
  deletion_protection = false # a change of runs_on removes it

  scaling {
    manual_instance_count = 1 # two instances would divide the messages between them
  }

  template {
    service_account = var.account.email

    # https://cloud.google.com/run/docs/configuring/vpc-direct-vpc: an organisation may
    # require a way through its own network (constraints/run.allowedVPCEgress).
    dynamic "vpc_access" {
      for_each = var.subnetwork == "" ? [] : ["this"]
      content {
        egress = "ALL_TRAFFIC"

        network_interfaces {
          network    = var.network
          subnetwork = var.subnetwork
        }
      }
    }

    containers {
      image = var.image

      resources {
        limits = {
          cpu    = "1"
          memory = "1Gi" # the bridge uses up to 400 MB; the mounted bucket needs some
        }
      }

      dynamic "env" {
        for_each = var.settings
        content {
          name  = env.key
          value = env.value
        }
      }

      env {
        name = "IRIS_CLIENT_SECRET"
        value_source {
          secret_key_ref {
            secret  = var.secret
            version = "latest" # the newest when an instance starts
          }
        }
      }

      volume_mounts {
        name       = "state"
        mount_path = "/state"
      }

      # It has started when its server answers: a deployment must succeed even if the
      # IRIS queue is down.
      startup_probe {
        period_seconds    = 5
        timeout_seconds   = 4
        failure_threshold = 24

        http_get {
          path = "/metrics"
          port = local.health_port
        }
      }

      # The bridge itself opens new sessions. After ten minutes without one, a new process
      # may help, since it resolves all addresses again. To restart it earlier would only
      # lose its messages in flight.
      liveness_probe {
        period_seconds    = 60
        timeout_seconds   = 10
        failure_threshold = 10

        http_get {
          path = "/healthz"
          port = local.health_port
        }
      }
    }

    volumes {
      name = "state"

      gcs {
        bucket = google_storage_bucket.state[0].name
        # Otherwise the files of the bucket belong to root, and the bridge is not root.
        mount_options = ["uid=10001", "gid=10001"]
      }
    }
  }

  lifecycle {
    precondition {
      condition     = !local.is_incomplete
      error_message = "The bridge needs iris_client_id and iris_queue_name: set both in terraform.tfvars."
    }
  }

  depends_on = [google_storage_bucket_iam_member.bridge_notes]
}
