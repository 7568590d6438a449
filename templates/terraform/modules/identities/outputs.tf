output "bridge" {
  description = "email, and member as IAM names it."
  value = {
    email  = google_service_account.bridge.email
    member = google_service_account.bridge.member
  }
}

output "pipeline" {
  description = "email, and member as IAM names it."
  value = {
    email  = google_service_account.pipeline.email
    member = google_service_account.pipeline.member
  }
}

output "scheduler" {
  description = "email, and member as IAM names it."
  value = {
    email  = google_service_account.scheduler.email
    member = google_service_account.scheduler.member
  }
}

output "builder" {
  description = "email, and member as IAM names it."
  value = {
    email  = google_service_account.builder.email
    member = google_service_account.builder.member
  }
}
