# Alerts for a person. Some come from Google's own metrics, so they work even if nothing
# of gb-iris runs. What only the tables show comes from the job iris-check. What only the
# bridge knows is a line in its log.

locals {
  channels = [for channel in google_monitoring_notification_channel.email : channel.id]
  of_topic = "resource.type = \"pubsub_topic\" AND resource.labels.topic_id = \"${var.topic_name}\""
  of_queue = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id"

  published = "${local.of_topic} AND metric.type = \"pubsub.googleapis.com/topic/send_request_count\" AND metric.labels.response_class = \"success\""

  # Texts of the bridge's warnings (bridge/notices.py, sharing.py, absence.py, settlement.py).
  warnings = {
    secret_expires = {
      text   = "the IRIS client secret expire"
      title  = "the IRIS client secret expires"
      advice = "Create a new secret at https://bmrs.elexon.co.uk/iris. Then run gcloud secrets versions add iris-client-secret --data-file=-, set iris_secret_expires, run terraform apply, and restart the bridge."
    }
    second_client = {
      text   = "another client takes messages from this queue"
      title  = "another client reads the IRIS queue"
      advice = "An IRIS queue is for one client. Messages that the other client took are not in the tables. Stop the other client, then run make backfill with MISSING=1 for that time."
    }
    expired = {
      text   = "messages expired unread"
      title  = "messages expired on the IRIS queue"
      advice = "The bridge did not read for more than three days. Its log names the backfill command that fetches the missing messages."
    }
    refused = {
      text   = "message dead-lettered on the queue"
      title  = "a message can never be published"
      advice = "The bridge's log has the id of the message and the reason. The message stays in the dead-letter queue of the IRIS queue."
    }
  }
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
    content = "Check whether the bridge is running (gcloud run worker-pools describe iris-bridge, or systemctl status iris-bridge on the VM), and read its log. IRIS keeps messages for three days: until then nothing is lost."
  }
}

resource "google_monitoring_alert_policy" "backlog" {
  count = var.is_pipeline_deployed ? 1 : 0

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
    content = "Check whether the pipeline is running (gcloud run jobs executions list --job iris-drain, or the Dataflow job gb-iris), and read its log. Pub/Sub keeps messages for seven days."
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
    content = "These messages were delivered 50 times and never acknowledged. To see them, run gcloud pubsub subscriptions pull ${var.dead_letter_subscription}. Pub/Sub keeps them for 31 days."
  }
}

resource "google_monitoring_alert_policy" "check" {
  count = var.is_pipeline_deployed ? 1 : 0

  project               = var.project
  display_name          = "gb-iris: the tables are not as they should be"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "iris-check failed"

    condition_threshold {
      filter          = "resource.type = \"cloud_run_job\" AND resource.labels.job_name = \"iris-check\" AND metric.type = \"run.googleapis.com/job/completed_execution_count\" AND metric.labels.result = \"failed\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  # A check that does not run reports nothing, which looks as if all were well.
  conditions {
    display_name = "iris-check did not run for a day"

    condition_absent {
      filter   = "resource.type = \"cloud_run_job\" AND resource.labels.job_name = \"iris-check\" AND metric.type = \"run.googleapis.com/job/completed_execution_count\""
      duration = "84600s" # 23.5 hours, the most that there is

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    content = "A check of freshness, completeness, dead letters, unmapped messages, duplicates or the ledger failed. The log of the execution says which one (gcloud run jobs executions list --job iris-check). To run the checks again: python -m sql check --project ${var.project}."
  }
}

resource "google_monitoring_alert_policy" "warning" {
  for_each = var.is_bridge_deployed ? local.warnings : {}

  project               = var.project
  display_name          = "gb-iris: ${each.value.title}"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "a line in the bridge's log"

    # Cloud Run parses a JSON line into fields; the VM's agent may keep it as text. The
    # audit log quotes this filter when the alert is created, but in neither field.
    condition_matched_log {
      filter = "jsonPayload.message:\"${each.value.text}\" OR textPayload:\"${each.value.text}\""
    }
  }

  # The warning about the secret comes daily, the others come once for each event.
  alert_strategy {
    auto_close = "86400s"

    notification_rate_limit {
      period = "43200s"
    }
  }

  documentation {
    content = each.value.advice
  }
}
