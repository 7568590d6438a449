variable "project" {
  description = "The Google Cloud project."
  type        = string
}
