locals {
  # Pub/Sub itself moves dead letters, as this account.
  # https://cloud.google.com/pubsub/docs/dead-letter-topics#grant_forwarding_permissions
  pubsub_agent = "serviceAccount:service-${var.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic" "messages" {
  project = var.project
  name    = "iris-messages"
}

resource "google_pubsub_subscription" "pipeline" {
  project = var.project
  name    = "iris-messages-pipeline"
  topic   = google_pubsub_topic.messages.id

  # What works longer extends it; what a killed reader held comes again after it.
  ack_deadline_seconds       = 60
  message_retention_duration = "604800s" # 7 days: a week of broken pipeline loses nothing

  expiration_policy {
    ttl = "" # never: by default it would be gone after a month without a reader
  }

  # A message that is delivered so often and never acknowledged breaks every round that
  # it is in. High, since attempts also count while BigQuery is away. Dataflow does not
  # support it (https://cloud.google.com/pubsub/docs/handling-failures): it holds and
  # retries by itself, and Pub/Sub would move what it is still at work on.
  dynamic "dead_letter_policy" {
    for_each = var.gives_up ? ["this"] : []
    content {
      dead_letter_topic     = google_pubsub_topic.dead_letters.id
      max_delivery_attempts = 50
    }
  }
}

resource "google_pubsub_topic" "dead_letters" {
  project = var.project
  name    = "iris-messages-dead-letters"
}

# A topic without a subscription keeps nothing.
resource "google_pubsub_subscription" "dead_letters" {
  project = var.project
  name    = "iris-messages-dead-letters"
  topic   = google_pubsub_topic.dead_letters.id

  ack_deadline_seconds       = 60
  message_retention_duration = "2678400s" # 31 days, the most: a person looks at these

  expiration_policy {
    ttl = ""
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

# Dataflow asks for the subscription's settings too.
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
