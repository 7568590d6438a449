variable "project" {
  description = "The Google Cloud project."
  type        = string
}

variable "project_number" {
  description = "Its number: a part of the service's address, and of the account of Identity-Aware Proxy."
  type        = string
}

variable "region" {
  description = "The region in which the service runs."
  type        = string
}

variable "dataset" {
  description = "The BigQuery dataset that it reads."
  type        = string
}

variable "image" {
  description = "The dashboard's image, with its tag."
  type        = string
}

variable "secret_expires" {
  description = "The last day of the client secret, or empty."
  type        = string
}

variable "viewers" {
  description = "Who may open it, as IAM names them."
  type        = list(string)
}
