# The streaming job, in the streaming variant only. A Dataflow job that fails, or that
# somebody cancels, leaves the messages in Pub/Sub: the alert on their age comes later.
# https://cloud.google.com/monitoring/api/metrics_gcp_d_h#gcp-dataflow

locals {
  is_streaming = var.pipeline_runs_as == "streaming"
  of_stream    = "resource.type = \"dataflow_job\" AND resource.labels.job_name = \"${var.stream_name}\" AND metric.type = \"dataflow.googleapis.com/job"
}

resource "google_monitoring_alert_policy" "stream_failed" {
  count = local.is_streaming ? 1 : 0

  project               = var.project
  display_name          = "gb-iris: the stream does not run"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "the job failed"

    condition_threshold {
      filter          = "${local.of_stream}/is_failed\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_MAX"
        cross_series_reducer = "REDUCE_MAX"
      }
    }
  }

  # A job that was drained or cancelled did not fail. It fires only once there was a job.
  conditions {
    display_name = "no job reports"

    condition_absent {
      filter   = "${local.of_stream}/system_lag\""
      duration = "1800s" # an update may take minutes

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_MAX"
        cross_series_reducer = "REDUCE_MAX"
      }
    }
  }

  documentation {
    content = "Messages wait in Pub/Sub for seven days. See docs/operations.md#the-stream-does-not-run."
  }
}

resource "google_monitoring_alert_policy" "stream_lags" {
  count = local.is_streaming ? 1 : 0

  project               = var.project
  display_name          = "gb-iris: the stream falls behind"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "system lag"

    condition_threshold {
      filter          = "${local.of_stream}/system_lag\""
      comparison      = "COMPARISON_GT"
      threshold_value = var.stream_lag_seconds
      duration        = "600s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_MAX"
        cross_series_reducer = "REDUCE_MAX"
      }
    }
  }

  conditions {
    display_name = "backlog of a stage"

    condition_threshold {
      filter          = "${local.of_stream}/backlog_elements\""
      comparison      = "COMPARISON_GT"
      threshold_value = var.stream_backlog
      duration        = "600s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_MAX"
        cross_series_reducer = "REDUCE_MAX"
      }
    }
  }

  documentation {
    content = "One worker does not keep up, or a table accepts no rows. See docs/operations.md#lag-grows."
  }
}
