# The accounts. Each account has only the permissions that it needs, on the resources that
# it needs; the module of a resource grants them. Roles on the whole project are: to run
# BigQuery jobs and to write logs, which cannot be granted on less, and that of Dataflow.

resource "google_service_account" "bridge" {
  project      = var.project
  account_id   = "iris-bridge"
  display_name = "gb-iris bridge: publishes messages from IRIS"
}

resource "google_service_account" "pipeline" {
  project      = var.project
  account_id   = "iris-pipeline"
  display_name = "gb-iris pipeline: reads Pub/Sub, writes BigQuery"
}

resource "google_service_account" "scheduler" {
  project      = var.project
  account_id   = "iris-scheduler"
  display_name = "gb-iris scheduler: starts the Cloud Run jobs"
}

resource "google_service_account" "builder" {
  project      = var.project
  account_id   = "iris-builder"
  display_name = "gb-iris builder: builds and pushes the images"
}
