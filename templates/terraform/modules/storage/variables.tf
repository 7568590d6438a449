variable "project" {
  description = "The Google Cloud project."
  type        = string
}

variable "prefix" {
  description = "The beginning of the names of the buckets."
  type        = string
}

variable "location" {
  description = "The location of the buckets."
  type        = string
}

variable "writer" {
  description = "The pipeline's account, as IAM names it."
  type        = string
}

variable "builder" {
  description = "The account of Cloud Build, as IAM names it."
  type        = string
}

variable "nearline_days" {
  description = "The age in days at which raw messages move to Nearline storage."
  type        = number
}

variable "coldline_days" {
  description = "The age in days at which raw messages move to Coldline storage."
  type        = number
}

variable "archive_days" {
  description = "The age in days at which raw messages move to Archive storage."
  type        = number
}
