# The dashboard as a Cloud Run service behind Identity-Aware Proxy, which lets only the
# viewers through. https://cloud.google.com/run/docs/securing/identity-aware-proxy-cloud-run

locals {
  name = "iris-dashboard"
  port = 8080
  # https://cloud.google.com/run/docs/triggering/https-request#deterministic
  # The service has another address, with a random part. The dashboard refuses requests
  # to a name that it does not know, and this one is known before the service exists.
  host = "${local.name}-${var.project_number}.${var.region}.run.app"

  # IAP calls the service with this account.
  iap_agent = "serviceAccount:service-${var.project_number}@gcp-sa-iap.iam.gserviceaccount.com"
}

# Its account may read one dataset and run queries, and nothing else. It is created here,
# and not in modules/identities, since without viewers there is no dashboard.
resource "google_service_account" "dashboard" {
  project      = var.project
  account_id   = "iris-dashboard"
  display_name = "gb-iris dashboard: reads BigQuery"
}

resource "google_bigquery_dataset_iam_member" "dashboard_reads" {
  project    = var.project
  dataset_id = var.dataset
  role       = "roles/bigquery.dataViewer"
  member     = google_service_account.dashboard.member
}

# Queries need a permission on the project, which allows no access to data.
resource "google_project_iam_member" "dashboard_runs_jobs" {
  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = google_service_account.dashboard.member
}

resource "google_cloud_run_v2_service" "dashboard" {
  project             = var.project
  location            = var.region
  name                = local.name
  description         = "gb-iris dashboard: live pages of the tables, read only"
  deletion_protection = false # without viewers it is removed
  ingress             = "INGRESS_TRAFFIC_ALL"
  iap_enabled         = true

  template {
    service_account = google_service_account.dashboard.email
    timeout         = "60s"

    # One instance: it asks each query once for all viewers. None, and no cost, while
    # nobody looks.
    scaling {
      min_instance_count = 0
      max_instance_count = 1
    }

    containers {
      image = var.image
      args = [
        "serve",
        "--data", "/data", # where the image has the scripts
        "--project", var.project,
        "--dataset", var.dataset,
        "--host", "0.0.0.0",
        "--port", tostring(local.port),
        "--allowed-host", local.host,
      ]

      # The page Feed health counts the days that are left.
      dynamic "env" {
        for_each = var.secret_expires == "" ? [] : [var.secret_expires]
        content {
          name  = "IRIS_SECRET_EXPIRES"
          value = env.value
        }
      }

      ports {
        container_port = local.port
      }

      resources {
        limits = {
          cpu    = "1"
          memory = "1Gi" # it uses up to 300 MB, and the files that it keeps are in memory
        }
        startup_cpu_boost = true # the first picture comes sooner
      }

      # No request: it would have a name that the dashboard refuses.
      startup_probe {
        period_seconds    = 2
        timeout_seconds   = 1
        failure_threshold = 30

        tcp_socket {
          port = local.port
        }
      }
    }
  }

  depends_on = [
    google_bigquery_dataset_iam_member.dashboard_reads,
    google_project_iam_member.dashboard_runs_jobs,
  ]
}

resource "google_cloud_run_v2_service_iam_member" "proxy_calls" {
  project  = var.project
  location = google_cloud_run_v2_service.dashboard.location
  name     = google_cloud_run_v2_service.dashboard.name
  role     = "roles/run.invoker"
  member   = local.iap_agent
}

resource "google_iap_web_cloud_run_service_iam_member" "viewers" {
  for_each = toset(var.viewers)

  project                = var.project
  location               = google_cloud_run_v2_service.dashboard.location
  cloud_run_service_name = google_cloud_run_v2_service.dashboard.name
  role                   = "roles/iap.httpsResourceAccessor"
  member                 = each.value
}
