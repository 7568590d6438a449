resource "google_cloud_run_v2_job" "this" {
  project             = var.project
  location            = var.region
  name                = var.name
  deletion_protection = false # a change of pipeline_runs_as removes it

  template {
    task_count  = 1
    parallelism = 1

    template {
      service_account = var.account.email
      timeout         = var.timeout
      max_retries     = 0 # the next start is the retry

      # As for the bridge: modules/bridge/worker_pool.tf.
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
        image   = var.image
        command = var.command
        args    = var.arguments

        resources {
          limits = {
            cpu    = "1"
            memory = "2Gi"
          }
        }
      }
    }
  }
}

# The scheduler may start this job, and nothing else.
resource "google_cloud_run_v2_job_iam_member" "scheduler_starts" {
  project  = var.project
  location = google_cloud_run_v2_job.this.location
  name     = google_cloud_run_v2_job.this.name
  role     = "roles/run.invoker"
  member   = var.scheduler.member
}

# https://cloud.google.com/run/docs/execute/jobs-on-schedule
resource "google_cloud_scheduler_job" "this" {
  project   = var.project
  region    = var.region
  name      = var.name
  schedule  = var.schedule
  time_zone = "Etc/UTC"

  retry_config {
    retry_count = 0 # a late run would overlap with the next one
  }

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/${google_cloud_run_v2_job.this.id}:run"

    oauth_token {
      service_account_email = var.scheduler.email
    }
  }

  depends_on = [google_cloud_run_v2_job_iam_member.scheduler_starts]
}
