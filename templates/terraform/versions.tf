terraform {
  required_version = ">= 1.5"

  required_providers {
    google = {
      source = "hashicorp/google"
      # Probes of Cloud Run worker pools came with 7.5; 8 may rename arguments.
      version = ">= 7.6, < 8"
    }
  }

  # The state contains no secret, but every change needs it. If several people or
  # machines use it, keep it in a bucket.
  #   backend "gcs" {
  #     bucket = "PROJECT-terraform"
  #     prefix = "gb-iris"
  #   }
}

provider "google" {
  project = var.project
  region  = var.region
}
