variable "project" {
  description = "The project."
  type        = string
}

variable "dataset" {
  description = "The BigQuery dataset."
  type        = string
}

variable "location" {
  description = "Where it lies; it cannot be moved."
  type        = string
}

variable "create_dataset" {
  description = "Whether it is to be made; if not, it is there."
  type        = bool
}

variable "writer" {
  description = "The pipeline, as IAM names it."
  type        = string
}
