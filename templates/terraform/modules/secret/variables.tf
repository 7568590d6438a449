variable "project" {
  description = "The Google Cloud project."
  type        = string
}

variable "accessor" {
  description = "The bridge's account, as IAM names it."
  type        = string
}
