# Alerts for a person: Google's own metrics here, so they work even if nothing of gb-iris
# runs; what only a program knows is a line in its log (logs.tf); Dataflow in stream.tf.
# What only the tables show comes from the job iris-check. Each alert names its section of
# docs/operations.md.

locals {
  channels = [for channel in google_monitoring_notification_channel.email : channel.id]
  of_topic = "resource.type = \"pubsub_topic\" AND resource.labels.topic_id = \"${var.topic_name}\""
  of_queue = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id"
  of_check = "resource.type = \"cloud_run_job\" AND resource.labels.job_name = \"iris-check\" AND metric.type = \"run.googleapis.com/job/completed_execution_count\""

  published = "${local.of_topic} AND metric.type = \"pubsub.googleapis.com/topic/send_request_count\" AND metric.labels.response_class = \"success\""

  # One incident for as long as the check fails: each window holds a run. A window of the
  # interval alone would be empty whenever a run starts a little late.
  check_seconds = var.check_every_hours * 3600
  check_window  = local.check_seconds + 1800
}

resource "google_monitoring_notification_channel" "email" {
  count = var.email == "" ? 0 : 1

  project      = var.project
  display_name = "gb-iris"
  type         = "email"
  labels = {
    email_address = var.email
  }
}

resource "google_monitoring_alert_policy" "silence" {
  count = var.is_bridge_deployed ? 1 : 0

  project               = var.project
  display_name          = "gb-iris: the bridge publishes nothing"
  combiner              = "OR"
  notification_channels = local.channels

  # If nothing is published, Pub/Sub either writes no metric or, for some time, a zero:
  # the first condition finds a missing metric, the second a zero.
  conditions {
    display_name = "no publish request counted"

    condition_absent {
      filter   = local.published
      duration = "${var.silence_seconds}s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  conditions {
    display_name = "zero publish requests counted"

    condition_threshold {
      filter          = local.published
      comparison      = "COMPARISON_LT"
      threshold_value = 1
      duration        = "${var.silence_seconds}s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    content = "Check whether the bridge is running (`gcloud run worker-pools describe iris-bridge`, or systemctl status iris-bridge on the VM), and read its log. IRIS keeps messages for three days: until then nothing is lost. See docs/operations.md#nothing-arrives."
  }
}

resource "google_monitoring_alert_policy" "backlog" {
  count = var.pipeline_runs_as != "none" ? 1 : 0

  project               = var.project
  display_name          = "gb-iris: messages wait in Pub/Sub"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "age of the oldest message"

    condition_threshold {
      filter          = "${local.of_queue} = \"${var.subscription_name}\" AND metric.type = \"pubsub.googleapis.com/subscription/oldest_unacked_message_age\""
      comparison      = "COMPARISON_GT"
      threshold_value = var.backlog_seconds
      duration        = "300s"

      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }

  documentation {
    content = "Check whether the pipeline is running (`gcloud run jobs executions list --job iris-drain`, or the Dataflow job gb-iris), and read its log. Pub/Sub keeps messages for seven days. See docs/operations.md#lag-grows."
  }

  lifecycle {
    precondition {
      condition     = var.pipeline_runs_as != "drain" || var.backlog_seconds >= 2 * var.drain_seconds
      error_message = "Between two drains messages wait for an interval: set backlog_alert_minutes to two of drain_every_minutes at least, or every interval is an alert."
    }
  }
}

resource "google_monitoring_alert_policy" "dead_letters" {
  project               = var.project
  display_name          = "gb-iris: Pub/Sub gave up messages"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "messages in the dead-letter subscription"

    condition_threshold {
      filter          = "${local.of_queue} = \"${var.dead_letter_subscription}\" AND metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }

  documentation {
    content = "These messages were delivered 50 times and never acknowledged. Pub/Sub keeps them for 31 days, and a drain processes them. See docs/operations.md#dead-letters-rise."
  }
}

resource "google_monitoring_alert_policy" "check" {
  count = var.pipeline_runs_as != "none" ? 1 : 0

  project               = var.project
  display_name          = "gb-iris: the tables are not as they should be"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "iris-check failed"

    condition_threshold {
      filter          = "${local.of_check} AND metric.labels.result = \"failed\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period     = "${local.check_window}s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  # A check that does not run reports nothing, which looks as if all were well.
  conditions {
    display_name = "iris-check did not run"

    condition_absent {
      filter   = local.of_check
      duration = "${min(2 * local.check_seconds, 84600)}s" # 23.5 hours are the most

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    content = "A check of freshness, completeness, dead letters, unmapped messages, duplicates or the ledger failed. The log of the execution says which one (`gcloud run jobs executions list --job iris-check`). To run the checks again: python -m sql check --project ${var.project}. See docs/operations.md#a-scheduled-check-fails."
  }
}
