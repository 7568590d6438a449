variable "project" {
  description = "The project."
  type        = string
}
