locals {
  raw_classes = {
    NEARLINE = var.nearline_days
    COLDLINE = var.coldline_days
    ARCHIVE  = var.archive_days
  }
}

# Every message as received, for ever. The files of an hour are merged when it is over,
# so what is older than a day is not touched again.
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
    precondition {
      condition     = var.nearline_days < var.coldline_days && var.coldline_days < var.archive_days
      error_message = "raw_nearline_days < raw_coldline_days < raw_archive_days."
    }
  }
}

# Dataflow's temporary files, load jobs' Parquet files, the template. A streaming job
# reads its staged files when a worker starts: they are kept under templates/ and
# staging/, and only temporary ones are deleted.
resource "google_storage_bucket" "staging" {
  project  = var.project
  name     = "${var.prefix}-iris-staging"
  location = var.location

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  # What is deleted here is rubbish: to keep it for a week more would cost as much again.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  lifecycle_rule {
    condition {
      age            = 14
      matches_prefix = ["temp/", "tmp/"]
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

# Beam asks for a bucket's own settings before it writes to it: storage.buckets.get.
resource "google_storage_bucket_iam_member" "pipeline_looks" {
  for_each = {
    raw     = google_storage_bucket.raw.name
    staging = google_storage_bucket.staging.name
  }

  bucket = each.value
  role   = "roles/storage.legacyBucketReader"
  member = var.writer
}
