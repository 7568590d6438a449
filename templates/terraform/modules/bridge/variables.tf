variable "project" {
  description = "The project."
  type        = string
}

variable "region" {
  description = "Where the worker pool runs, and the bridge's note of its reading lies."
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
  description = "Host of the image."
  type        = string
}

variable "repository" {
  description = "Artifact Registry repository of the image."
  type        = string
}

variable "secret" {
  description = "Short name of the client secret."
  type        = string
}

variable "settings" {
  description = "The bridge's settings, but for the secret and for what the image sets."
  type        = map(string)
}

variable "zone" {
  description = "Zone of the VM."
  type        = string
}

variable "machine_type" {
  description = "Machine type of the VM."
  type        = string
}

variable "network" {
  description = "Network of the VM."
  type        = string
}
