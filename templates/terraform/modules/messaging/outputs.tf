output "topic" {
  description = "The topic: projects/P/topics/T."
  value       = google_pubsub_topic.messages.id
}

output "topic_name" {
  description = "The short name of the topic."
  value       = google_pubsub_topic.messages.name
}

output "subscription" {
  description = "The subscription: projects/P/subscriptions/S."
  value       = google_pubsub_subscription.pipeline.id
}

output "subscription_name" {
  description = "The short name of the subscription."
  value       = google_pubsub_subscription.pipeline.name
}

output "dead_letter_subscription_name" {
  description = "The short name of the subscription that keeps dead letters."
  value       = google_pubsub_subscription.dead_letters.name
}
