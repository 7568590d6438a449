# The dataset, and the permission to write to it. `python -m sql apply` creates its tables
# and views from the registry of datasets: a new field needs no change here. If BigQuery
# refuses a change of a column, Terraform would delete the table with all its rows and
# create it again; `sql apply` never does that.

resource "google_bigquery_dataset" "this" {
  count = var.create_dataset ? 1 : 0

  project     = var.project
  dataset_id  = var.dataset
  location    = var.location
  description = "Elexon's IRIS feed and historic data: gb-iris"

  delete_contents_on_destroy = false

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_bigquery_dataset_iam_member" "pipeline_writes" {
  project    = var.project
  dataset_id = var.create_dataset ? google_bigquery_dataset.this[0].dataset_id : var.dataset
  role       = "roles/bigquery.dataEditor"
  member     = var.writer
}

# Queries and loads need a permission on the project, which allows no access to data.
resource "google_project_iam_member" "pipeline_runs_jobs" {
  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = var.writer
}
