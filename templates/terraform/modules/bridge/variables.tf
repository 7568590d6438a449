variable "project" {
  description = "The Google Cloud project."
  type        = string
}

variable "region" {
  description = "The region of the worker pool, and of the bucket with the bridge's position."
  type        = string
}

variable "runs_on" {
  description = "worker_pool, vm or none."
  type        = string
}

variable "account" {
  description = "The bridge's service account."
  type = object({
    email  = string
    member = string
  })
}

variable "image" {
  description = "The bridge's image, with its tag."
  type        = string
}

variable "registry" {
  description = "The host of the image's registry."
  type        = string
}

variable "repository" {
  description = "The Artifact Registry repository of the image."
  type        = string
}

variable "secret" {
  description = "The short name of the client secret."
  type        = string
}

variable "settings" {
  description = "The bridge's settings, except the secret and those that the image sets."
  type        = map(string)
}

variable "zone" {
  description = "The zone of the VM."
  type        = string
}

variable "machine_type" {
  description = "The machine type of the VM."
  type        = string
}

variable "network" {
  description = "The network of the VM, or of the worker pool with a subnetwork."
  type        = string
}

variable "subnetwork" {
  description = "The subnetwork of the bridge; empty for the default."
  type        = string
}

variable "has_address" {
  description = "Whether the VM has an external address."
  type        = bool
}
