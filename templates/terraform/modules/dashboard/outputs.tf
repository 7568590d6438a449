output "url" {
  description = "The address of the dashboard."
  value       = "https://${local.host}"
}
