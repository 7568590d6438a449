# Only the container of the secret. Its value comes from `gcloud secrets versions add`,
# since Terraform would keep it in its state, in plain text.
resource "google_secret_manager_secret" "client" {
  project   = var.project
  secret_id = "iris-client-secret"

  replication {
    auto {}
  }

  # Its value is nowhere else: Elexon's portal shows a secret only once.
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_secret_manager_secret_iam_member" "bridge_reads" {
  project   = var.project
  secret_id = google_secret_manager_secret.client.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = var.accessor
}
