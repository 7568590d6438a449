# https://cloud.google.com/run/docs/deploy-worker-pools: no port to the outside, no
# scaling by requests, CPU always there. At an end Cloud Run gives 10 s after SIGTERM, then
# kills: what the bridge had in hand comes again when its locks end.

# How far the queue has been read outlives an instance here. Its file system would forget
# it at every deployment, and then a bridge that was away for more than three days could
# not say what it missed. Written once a minute: some 130,000 operations a month.
resource "google_storage_bucket" "state" {
  count = var.runs_on == "worker_pool" ? 1 : 0

  project  = var.project
  name     = "${var.project}-iris-bridge-state"
  location = var.region

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # one small file, of no worth without the bridge

  soft_delete_policy {
    retention_duration_seconds = 0 # each minute replaces the one before
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
    manual_instance_count = 1 # two would share the messages out
  }

  template {
    service_account = var.account.email

    containers {
      image = var.image

      resources {
        limits = {
          cpu    = "1"
          memory = "1Gi" # the bridge up to 400 MB, and the mounted bucket
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
            version = "latest" # as of the instance's start
          }
        }
      }

      volume_mounts {
        name       = "state"
        mount_path = "/state"
      }

      # It has started when its server answers: a queue that is away must not stop a
      # deployment.
      startup_probe {
        period_seconds    = 5
        timeout_seconds   = 4
        failure_threshold = 24

        http_get {
          path = "/metrics"
          port = local.health_port
        }
      }

      # The bridge opens new sessions by itself. Ten minutes without one are worth a new
      # process, which looks everything up anew; more often would only lose its hand.
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
        # The bucket's files belong to root otherwise, and the bridge is not root.
        mount_options = ["uid=10001", "gid=10001"]
      }
    }
  }

  lifecycle {
    precondition {
      condition     = !local.is_incomplete
      error_message = "The bridge needs iris_client_id and iris_queue_name."
    }
  }

  depends_on = [google_storage_bucket_iam_member.bridge_notes]
}
