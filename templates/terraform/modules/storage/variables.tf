variable "project" {
  description = "The project."
  type        = string
}

variable "prefix" {
  description = "What the buckets' names begin with."
  type        = string
}

variable "location" {
  description = "Where they lie."
  type        = string
}

variable "writer" {
  description = "The pipeline, as IAM names it."
  type        = string
}

variable "nearline_days" {
  description = "Age at which raw messages move to Nearline."
  type        = number
}

variable "coldline_days" {
  description = "Age at which they move to Coldline."
  type        = number
}

variable "archive_days" {
  description = "Age at which they move to Archive."
  type        = number
}
