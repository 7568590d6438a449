variable "project" {
  description = "The project."
  type        = string
}

variable "region" {
  description = "Where it runs."
  type        = string
}

variable "name" {
  description = "Of the Cloud Run job and of the Cloud Scheduler job."
  type        = string
}

variable "image" {
  description = "The pipeline's image, with its tag."
  type        = string
}

variable "command" {
  description = "What runs in place of the image's own entry point."
  type        = list(string)
}

variable "arguments" {
  description = "Its arguments."
  type        = list(string)
}

variable "timeout" {
  description = "Ends an execution: seconds with an s behind."
  type        = string
}

variable "schedule" {
  description = "When it starts, in cron's notation, UTC."
  type        = string
}

variable "account" {
  description = "The service account it runs as."
  type = object({
    email  = string
    member = string
  })
}

variable "scheduler" {
  description = "The service account that starts it."
  type = object({
    email  = string
    member = string
  })
}
