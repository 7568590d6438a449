output "raw_bucket" {
  description = "The bucket of raw messages."
  value       = google_storage_bucket.raw.name
}

output "staging_bucket" {
  description = "The bucket of temporary files and the template."
  value       = google_storage_bucket.staging.name
}
