locals {
  # Pub/Sub itself moves dead letters, with this account.
  # https://cloud.google.com/pubsub/docs/dead-letter-topics#grant_forwarding_permissions
  pubsub_agent = "serviceAccount:service-${var.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic" "messages" {
  project = var.project
  name    = "iris-messages"

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_pubsub_subscription" "pipeline" {
  project = var.project
  name    = "iris-messages-pipeline"
  topic   = google_pubsub_topic.messages.id

  # A reader that needs longer extends it. The messages of a killed reader come again
  # after it.
  ack_deadline_seconds       = 60
  message_retention_duration = "604800s" # 7 days: the pipeline may be down for a week

  # For these 7 days a seek delivers them again, as after a release that wrote wrong rows:
  # https://cloud.google.com/pubsub/docs/replay-overview
  retain_acked_messages = var.keeps_acknowledged

  expiration_policy {
    ttl = "" # never: by default it would be deleted after a month without a reader
  }

  # A message that is never acknowledged breaks every round of a drain that it is in, so
  # Pub/Sub gives it up. The number is high, since attempts also count while BigQuery is
  # down. Dataflow does not support this policy
  # (https://cloud.google.com/pubsub/docs/handling-failures): it holds and retries messages
  # itself, and Pub/Sub would move messages that Dataflow still processes.
  dynamic "dead_letter_policy" {
    for_each = var.has_dead_letter_topic ? ["this"] : []
    content {
      dead_letter_topic     = google_pubsub_topic.dead_letters.id
      max_delivery_attempts = 50
    }
  }

  # A message that a drain could not write is delivered again after 10 s, then later and
  # later: its attempts last for hours, and rounds are not spent on it alone.
  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  # It holds up to a week of messages that are nowhere else.
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_pubsub_topic" "dead_letters" {
  project = var.project
  name    = "iris-messages-dead-letters"

  lifecycle {
    prevent_destroy = true
  }
}

# A topic without a subscription keeps no messages.
resource "google_pubsub_subscription" "dead_letters" {
  project = var.project
  name    = "iris-messages-dead-letters"
  topic   = google_pubsub_topic.dead_letters.id

  ack_deadline_seconds       = 60
  message_retention_duration = "2678400s" # 31 days, the maximum: a person reads these

  expiration_policy {
    ttl = ""
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_pubsub_topic_iam_member" "bridge_publishes" {
  project = var.project
  topic   = google_pubsub_topic.messages.name
  role    = "roles/pubsub.publisher"
  member  = var.publisher
}

resource "google_pubsub_subscription_iam_member" "pipeline_reads" {
  project      = var.project
  subscription = google_pubsub_subscription.pipeline.name
  role         = "roles/pubsub.subscriber"
  member       = var.subscriber
}

# Dataflow also reads the settings of the subscription.
resource "google_pubsub_subscription_iam_member" "pipeline_looks" {
  project      = var.project
  subscription = google_pubsub_subscription.pipeline.name
  role         = "roles/pubsub.viewer"
  member       = var.subscriber
}

resource "google_pubsub_topic_iam_member" "agent_publishes" {
  project = var.project
  topic   = google_pubsub_topic.dead_letters.name
  role    = "roles/pubsub.publisher"
  member  = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "agent_acknowledges" {
  project      = var.project
  subscription = google_pubsub_subscription.pipeline.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}
