output "name" {
  description = "Its short name."
  value       = google_secret_manager_secret.client.secret_id
}
