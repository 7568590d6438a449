variable "project" {
  description = "The Google Cloud project."
  type        = string
}

variable "project_number" {
  description = "The number of the project, which is part of the name of Pub/Sub's own account."
  type        = string
}

variable "publisher" {
  description = "The bridge's account, as IAM names it."
  type        = string
}

variable "subscriber" {
  description = "The pipeline's account, as IAM names it."
  type        = string
}

variable "has_dead_letter_topic" {
  description = "Whether Pub/Sub moves a message that is never acknowledged to the dead-letter topic."
  type        = bool
}

variable "keeps_acknowledged" {
  description = "Whether the subscription keeps acknowledged messages, so that a seek delivers them again."
  type        = bool
}
