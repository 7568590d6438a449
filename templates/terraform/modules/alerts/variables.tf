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

variable "pipeline_runs_as" {
  description = "drain, streaming or none."
  type        = string
}

variable "drain_seconds" {
  description = "The interval of the drain job."
  type        = number
}

variable "check_every_hours" {
  description = "The interval of the job iris-check."
  type        = number
}

variable "stream_name" {
  description = "The name of the Dataflow job."
  type        = string
}

variable "stream_lag_seconds" {
  description = "Alert if an element waits for longer than this in the stream."
  type        = number
}

variable "stream_backlog" {
  description = "Alert if more elements than this wait before a stage of the stream."
  type        = number
}
