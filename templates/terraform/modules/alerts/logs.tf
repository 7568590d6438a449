# What only a program knows is a line in its log. The texts are those of bridge/notices.py,
# sharing.py, absence.py, settlement.py, dead_letters.py and of
# pipeline/bigquery/waiting_tables.py; a test holds them against what these write.

locals {
  # A worker pool or a VM; a job, or a worker of Dataflow.
  of_bridge   = "(resource.type = \"cloud_run_worker_pool\" OR resource.type = \"gce_instance\")"
  of_pipeline = "(resource.type = \"cloud_run_job\" OR resource.type = \"dataflow_step\")"

  bridge_lines = {
    secret_expires = {
      text   = "the IRIS client secret expire"
      title  = "the IRIS client secret expires"
      advice = "Create a new secret at https://bmrs.elexon.co.uk/iris. See docs/operations.md#credentials-expired."
    }
    second_client = {
      text   = "another client takes messages from this queue"
      title  = "another client reads the IRIS queue"
      advice = "An IRIS queue is for one client. Messages that the other client took are not in the tables. See docs/operations.md#another-client-reads-the-queue."
    }
    expired = {
      text   = "messages expired unread"
      title  = "messages expired on the IRIS queue"
      advice = "The bridge did not read for more than three days. Its log names the backfill command that fetches the missing messages. See docs/operations.md#the-bridge-was-away."
    }
    refused = {
      text   = "message dead-lettered on the queue"
      title  = "a message can never be published"
      advice = "The bridge's log has the id of the message and the reason. The message stays in the dead-letter queue of the IRIS queue. See docs/operations.md#the-queue-has-dead-letters."
    }
    given_up = {
      text   = "the queue has dead letters"
      title  = "the IRIS queue gave up messages"
      advice = "They were delivered five times and never settled, and wait in the dead-letter queue of the IRIS queue. python -m bridge recover publishes them. See docs/operations.md#the-queue-has-dead-letters."
    }
  }
  pipeline_lines = {
    table_waits = {
      text   = "wait, other tables go on"
      title  = "a table accepts no rows"
      advice = "The line has the table and BigQuery's answer. All other tables are written. Rows that wait for an hour become dead letters. See docs/operations.md#a-table-accepts-no-rows."
    }
  }
  lines = merge(
    var.is_bridge_deployed ? { for name, line in local.bridge_lines : name => merge(line, { of = local.of_bridge }) } : {},
    var.pipeline_runs_as != "none" ? { for name, line in local.pipeline_lines : name => merge(line, { of = local.of_pipeline }) } : {},
  )
}

resource "google_monitoring_alert_policy" "line" {
  for_each = local.lines

  project               = var.project
  display_name          = "gb-iris: ${each.value.title}"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "a line in the log"

    # A line of JSON is fields, another is text; the VM's agent may keep JSON as text.
    condition_matched_log {
      filter = "${each.value.of} AND (jsonPayload.message:\"${each.value.text}\" OR textPayload:\"${each.value.text}\")"
    }
  }

  # The warning about the secret comes daily; each drain says again that a table waits.
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
