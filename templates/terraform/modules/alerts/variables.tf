variable "project" {
  description = "The Google Cloud project."
  type        = string
}

variable "email" {
  description = "The e-mail address that receives alerts; empty for the console only."
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
  description = "The subscription that keeps undeliverable messages."
  type        = string
}

variable "backlog_seconds" {
  description = "Alert if the oldest message is older than this."
  type        = number
}

variable "silence_seconds" {
  description = "Alert if nothing is published for this long."
  type        = number
}

variable "is_bridge_deployed" {
  description = "Whether there is a bridge, so that silence is a problem."
  type        = bool
}

variable "is_pipeline_deployed" {
  description = "Whether there is a pipeline that reads the subscription, and a job that checks the tables."
  type        = bool
}
