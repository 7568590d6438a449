# The dataset, and who may write to it. Its tables and views are made by
# `python -m sql apply`, for they come from the registry of datasets: a new field is a new
# column there, with nothing to keep in step here. And Terraform, where a column changes
# in a way that BigQuery refuses, drops the table to make it anew, with all its rows;
# `sql apply` never does.

resource "google_bigquery_dataset" "this" {
  count = var.create_dataset ? 1 : 0

  project     = var.project
  dataset_id  = var.dataset
  location    = var.location
  description = "Elexon's IRIS feed and historic data: gb-iris"

  delete_contents_on_destroy = false
}

resource "google_bigquery_dataset_iam_member" "pipeline_writes" {
  project    = var.project
  dataset_id = var.create_dataset ? google_bigquery_dataset.this[0].dataset_id : var.dataset
  role       = "roles/bigquery.dataEditor"
  member     = var.writer
}

# To run a query or a load is a right on the project; it gives no access to any data.
resource "google_project_iam_member" "pipeline_runs_jobs" {
  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = var.writer
}
