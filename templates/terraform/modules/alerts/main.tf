# What a person must know of. Metrics that Google has of its own need nothing of ours to
# run; what only the tables know comes from the job iris-check; what only the bridge knows
# is a line in its log.

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
      advice = "Make a new secret at https://bmrs.elexon.co.uk/iris, then: gcloud secrets versions add iris-client-secret --data-file=-, set iris_secret_expires, terraform apply, and start the bridge anew."
    }
    second_client = {
      text   = "another client takes messages from this queue"
      title  = "another client reads the IRIS queue"
      advice = "IRIS is for one client a queue. What the other one took is in no table of ours: stop it, then make backfill with MISSING=1 for that time."
    }
    expired = {
      text   = "messages expired unread"
      title  = "messages expired on the IRIS queue"
      advice = "The bridge was away for more than three days. Its log names the backfill command that fetches the rest."
    }
    refused = {
      text   = "message dead-lettered on the queue"
      title  = "a message can never be published"
      advice = "The bridge's log has its id and the reason. It stays in the queue's own dead-letter queue."
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

  # Pub/Sub writes a metric only while there is something to count, or a zero for a
  # while: the first condition is for one, the second for the other.
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
    display_name = "publish requests counted as none"

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
    content = "Is the bridge running (gcloud run worker-pools describe iris-bridge, or systemctl status iris-bridge on the VM), and what does its log say? IRIS keeps messages for three days: nothing is lost before."
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
    content = "Does the pipeline run (gcloud run jobs executions list --job iris-drain, or the Dataflow job gb-iris), and what does its log say? Pub/Sub keeps messages for seven days."
  }
}

resource "google_monitoring_alert_policy" "dead_letters" {
  project               = var.project
  display_name          = "gb-iris: Pub/Sub gave messages up"
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
    content = "They were delivered 50 times and never acknowledged. gcloud pubsub subscriptions pull ${var.dead_letter_subscription} shows them; they stay for 31 days."
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

  # A check that does not run says nothing, and looks as if all were well.
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
    content = "Freshness, completeness, dead letters, unmapped messages, duplicates or the ledger: the log of the execution says which (gcloud run jobs executions list --job iris-check). python -m sql check --project ${var.project} shows it anew."
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

    # Cloud Run makes fields of a JSON line, the VM's agent may leave it a text. The
    # audit log, which quotes this filter when it is made, has neither.
    condition_matched_log {
      filter = "jsonPayload.message:\"${each.value.text}\" OR textPayload:\"${each.value.text}\""
    }
  }

  # The secret's warning comes daily, the others once an event.
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
