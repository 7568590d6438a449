# Who does what. Each has the rights that it needs on the resource that it needs, and the
# module of that resource grants them; nobody has a role for the whole project but to run
# BigQuery jobs, which is granted no other way, and what the VM and Dataflow ask for.

resource "google_service_account" "bridge" {
  project      = var.project
  account_id   = "iris-bridge"
  display_name = "gb-iris bridge: publishes what IRIS sends"
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
