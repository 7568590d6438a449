# What the commands of the project take; `terraform output` lists it.

output "topic" {
  description = "PUBSUB_TOPIC of the bridge, of backfill and of replay."
  value       = module.messaging.topic
}

output "subscription" {
  description = "What the pipeline reads: --subscription."
  value       = module.messaging.subscription
}

output "dataset" {
  description = "For sql apply, sql check and the pipeline: --dataset."
  value       = var.dataset
}

output "images" {
  description = "Where images are pushed to: IMAGES/bridge:TAG and IMAGES/pipeline:TAG."
  value       = local.images
}

output "secret" {
  description = "Where the client secret goes: gcloud secrets versions add SECRET."
  value       = module.secret.name
}

output "archive_prefix" {
  description = "The raw archive: --archive_prefix."
  value       = "gs://${module.storage.raw_bucket}/raw"
}

output "staging_bucket" {
  description = "BUCKET of make template and make launch: Dataflow's temporary files and the template."
  value       = module.storage.staging_bucket
}

output "template" {
  description = "Where make template puts the template's specification."
  value       = "gs://${module.storage.staging_bucket}/templates/gb-iris.json"
}

output "pipeline_account" {
  description = "The account of Dataflow's workers: --service_account_email."
  value       = module.identities.pipeline.email
}
