variable "project" {
  description = "The project."
  type        = string
}

variable "accessor" {
  description = "The bridge, as IAM names it."
  type        = string
}
