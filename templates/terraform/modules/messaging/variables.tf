variable "project" {
  description = "The project."
  type        = string
}

variable "project_number" {
  description = "Its number, of which Pub/Sub's own account is made."
  type        = string
}

variable "publisher" {
  description = "The bridge, as IAM names it."
  type        = string
}

variable "subscriber" {
  description = "The pipeline, as IAM names it."
  type        = string
}

variable "gives_up" {
  description = "Whether a message that is never acknowledged becomes a dead letter."
  type        = bool
}
