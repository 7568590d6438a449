output "name" {
  description = "The short name of the secret."
  value       = google_secret_manager_secret.client.secret_id
}
