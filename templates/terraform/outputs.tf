# Values for the commands of this repository; `terraform output` lists them.

output "topic" {
  description = "The topic: PUBSUB_TOPIC of the bridge, of backfill and of replay."
  value       = module.messaging.topic
}

output "subscription" {
  description = "The subscription that the pipeline reads: --subscription."
  value       = module.messaging.subscription
}

output "dataset" {
  description = "The BigQuery dataset: --dataset of sql apply, sql check and the pipeline."
  value       = var.dataset
}

output "images" {
  description = "The repository of the images: IMAGES/bridge:TAG, IMAGES/pipeline:TAG and IMAGES/dashboard:TAG."
  value       = local.images
}

output "secret" {
  description = "The name of the client secret: gcloud secrets versions add SECRET."
  value       = module.secret.name
}

output "archive_prefix" {
  description = "The folder of the raw archive: --archive_prefix."
  value       = "gs://${module.storage.raw_bucket}/raw"
}

output "staging_bucket" {
  description = "The bucket of Dataflow's temporary files and of the template: BUCKET of make template and make launch."
  value       = module.storage.staging_bucket
}

output "template" {
  description = "The file to which make template writes the specification of the template."
  value       = "gs://${module.storage.staging_bucket}/templates/gb-iris.json"
}

output "pipeline_account" {
  description = "The account of Dataflow's workers: --service_account_email."
  value       = module.identities.pipeline.email
}

output "dashboard" {
  description = "The address of the dashboard; empty if there is none."
  value       = join("", module.dashboard[*].url)
}
