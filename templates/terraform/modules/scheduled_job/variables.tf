variable "project" {
  description = "The Google Cloud project."
  type        = string
}

variable "region" {
  description = "The region in which the job runs."
  type        = string
}

variable "name" {
  description = "The name of the Cloud Run job and of the Cloud Scheduler job."
  type        = string
}

variable "image" {
  description = "The pipeline's image, with its tag."
  type        = string
}

variable "command" {
  description = "The command; it replaces the entry point of the image."
  type        = list(string)
}

variable "arguments" {
  description = "The arguments of the command."
  type        = list(string)
}

variable "timeout" {
  description = "The longest time of a run, for example 900s."
  type        = string
}

variable "schedule" {
  description = "When the job starts, in cron's notation, in UTC."
  type        = string
}

variable "account" {
  description = "The service account of the job."
  type = object({
    email  = string
    member = string
  })
}

variable "scheduler" {
  description = "The service account that starts the job."
  type = object({
    email  = string
    member = string
  })
}

variable "network" {
  description = "The network of the subnetwork."
  type        = string
}

variable "subnetwork" {
  description = "The subnetwork through which the job reaches everything; empty for Cloud Run's own way."
  type        = string
}
