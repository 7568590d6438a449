variable "project" {
  description = "The Google Cloud project."
  type        = string
}

variable "dataset" {
  description = "The BigQuery dataset."
  type        = string
}

variable "location" {
  description = "The location of the dataset; it cannot be changed later."
  type        = string
}

variable "create_dataset" {
  description = "Whether Terraform creates the dataset; if not, it must exist."
  type        = bool
}

variable "writer" {
  description = "The pipeline's account, as IAM names it."
  type        = string
}
