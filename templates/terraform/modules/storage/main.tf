locals {
  # To move a file is an operation of class A: for many small files that costs more than
  # the colder class saves in years, so that none is moved by default.
  raw_classes = {
    for class, days in {
      NEARLINE = var.nearline_days
      COLDLINE = var.coldline_days
      ARCHIVE  = var.archive_days
    } : class => days if days != null
  }
  ages = [for days in [var.nearline_days, var.coldline_days, var.archive_days] : days if days != null]
}

# Every message as received, kept forever. The files of an hour are merged when the hour
# is over, so files that are older than a day do not change any more.
resource "google_storage_bucket" "raw" {
  project  = var.project
  name     = "${var.prefix}-iris-raw"
  location = var.location

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  dynamic "lifecycle_rule" {
    for_each = local.raw_classes
    content {
      condition {
        age = lifecycle_rule.value
      }
      action {
        type          = "SetStorageClass"
        storage_class = lifecycle_rule.key
      }
    }
  }

  lifecycle {
    prevent_destroy = true

    precondition {
      condition     = alltrue([for index, days in local.ages : index == 0 ? true : days > local.ages[max(0, index - 1)]])
      error_message = "The storage classes must follow each other: set raw_nearline_days < raw_coldline_days < raw_archive_days."
    }
  }
}

# Dataflow's temporary files, the Parquet files of load jobs, the templates, the sources of
# builds. A streaming job reads its staged files when a worker starts: these are under
# templates/ and staging/, and are kept. Only temporary files and sources are deleted.
resource "google_storage_bucket" "staging" {
  project  = var.project
  name     = "${var.prefix}-iris-staging"
  location = var.location

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  # Deleted files are useless here: to keep them for one more week would double the cost.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  lifecycle_rule {
    condition {
      age            = 14
      matches_prefix = ["builds/", "temp/", "tmp/"]
    }
    action {
      type = "Delete"
    }
  }
}

resource "google_storage_bucket_iam_member" "pipeline_writes" {
  for_each = {
    raw     = google_storage_bucket.raw.name
    staging = google_storage_bucket.staging.name
  }

  bucket = each.value
  role   = "roles/storage.objectUser"
  member = var.writer
}

# Beam reads the settings of a bucket before it writes to it: storage.buckets.get.
resource "google_storage_bucket_iam_member" "pipeline_looks" {
  for_each = {
    raw     = google_storage_bucket.raw.name
    staging = google_storage_bucket.staging.name
  }

  bucket = each.value
  role   = "roles/storage.legacyBucketReader"
  member = var.writer
}

# Cloud Build reads the sources there. gcloud's own bucket would be in the United States.
resource "google_storage_bucket_iam_member" "builder_reads" {
  bucket = google_storage_bucket.staging.name
  role   = "roles/storage.objectViewer"
  member = var.builder
}
