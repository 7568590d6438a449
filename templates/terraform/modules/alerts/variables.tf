variable "project" {
  description = "The project."
  type        = string
}

variable "email" {
  description = "Where alerts go; empty for the console only."
  type        = string
}

variable "topic_name" {
  description = "The topic that the bridge publishes to."
  type        = string
}

variable "subscription_name" {
  description = "The subscription that the pipeline reads."
  type        = string
}

variable "dead_letter_subscription" {
  description = "The subscription that keeps what could not be delivered."
  type        = string
}

variable "backlog_seconds" {
  description = "The age of the oldest message that is too old."
  type        = number
}

variable "silence_seconds" {
  description = "The time without a publish that is too long."
  type        = number
}

variable "is_bridge_deployed" {
  description = "Whether silence means anything yet."
  type        = bool
}

variable "is_pipeline_deployed" {
  description = "Whether anybody is to read the subscription, and check the tables."
  type        = bool
}
