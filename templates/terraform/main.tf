# Everything that gb-iris needs in Google Cloud, except three things:
# - Tables and views: `python -m sql apply` creates them (modules/warehouse says why).
# - The value of the client secret: use `gcloud secrets versions add`. Terraform would
#   keep it in its state, in plain text.
# - The streaming job: use `make launch`. A Dataflow job is updated and drained, never
#   edited. Terraform would destroy it and create it again: the job would lose its memory
#   for duplicates, and `terraform destroy` would cancel it with its messages in flight.

locals {
  services = concat(
    [
      "artifactregistry.googleapis.com",
      "bigquery.googleapis.com",
      "cloudbuild.googleapis.com",
      "cloudscheduler.googleapis.com",
      "iam.googleapis.com",
      "logging.googleapis.com",
      "monitoring.googleapis.com",
      "pubsub.googleapis.com",
      "run.googleapis.com",
      "secretmanager.googleapis.com",
      "storage.googleapis.com",
    ],
    var.bridge_runs_on == "vm" ? ["compute.googleapis.com"] : [],
    var.pipeline_runs_as == "streaming" ? ["compute.googleapis.com", "dataflow.googleapis.com"] : [],
  )

  registry       = "${var.region}-docker.pkg.dev"
  images         = "${local.registry}/${var.project}/${google_artifact_registry_repository.images.repository_id}"
  bridge_image   = "${local.images}/bridge:${var.image_tag}"
  pipeline_image = "${local.images}/pipeline:${var.image_tag}"

  # One drain at a time: Cloud Run would start the next one even if this one still runs.
  # So the job begins no new round after two thirds of the interval, and Cloud Run stops
  # it 15 s before the next start. No message is lost then: Pub/Sub delivers it again.
  drain_seconds        = var.drain_every_minutes * 60
  drain_max_seconds    = floor(local.drain_seconds * 2 / 3)
  drain_timeout        = local.drain_seconds - 15
  is_pipeline_deployed = var.pipeline_runs_as != "none"
}

data "google_project" "this" {
  project_id = var.project
}

resource "google_project_service" "needed" {
  for_each = toset(local.services)

  project            = var.project
  service            = each.value
  disable_on_destroy = false # something else in the project may use it
}

module "identities" {
  source = "./modules/identities"

  project = var.project

  depends_on = [google_project_service.needed]
}

module "messaging" {
  source = "./modules/messaging"

  project               = var.project
  project_number        = data.google_project.this.number
  publisher             = module.identities.bridge.member
  subscriber            = module.identities.pipeline.member
  has_dead_letter_topic = var.pipeline_runs_as != "streaming"

  depends_on = [google_project_service.needed]
}

module "warehouse" {
  source = "./modules/warehouse"

  project        = var.project
  dataset        = var.dataset
  location       = var.region
  create_dataset = var.create_dataset
  writer         = module.identities.pipeline.member

  depends_on = [google_project_service.needed]
}

module "storage" {
  source = "./modules/storage"

  project       = var.project
  prefix        = var.bucket_prefix == "" ? var.project : var.bucket_prefix
  location      = var.region
  writer        = module.identities.pipeline.member
  nearline_days = var.raw_nearline_days
  coldline_days = var.raw_coldline_days
  archive_days  = var.raw_archive_days

  depends_on = [google_project_service.needed]
}

module "secret" {
  source = "./modules/secret"

  project  = var.project
  accessor = module.identities.bridge.member

  depends_on = [google_project_service.needed]
}

resource "google_artifact_registry_repository" "images" {
  project       = var.project
  location      = var.region
  repository_id = "gb-iris"
  format        = "DOCKER"
  description   = "Images of gb-iris: bridge and pipeline"
  # No clean-up of old images: a streaming job pulls its image for each new worker.

  depends_on = [google_project_service.needed]
}

module "bridge" {
  source = "./modules/bridge"

  project      = var.project
  region       = var.region
  runs_on      = var.bridge_runs_on
  account      = module.identities.bridge
  image        = local.bridge_image
  registry     = local.registry
  repository   = google_artifact_registry_repository.images.repository_id
  secret       = module.secret.name
  zone         = var.zone
  machine_type = var.machine_type
  network      = var.network
  settings = merge(
    {
      IRIS_CLIENT_ID  = var.iris_client_id
      IRIS_QUEUE_NAME = var.iris_queue_name
      PUBSUB_TOPIC    = module.messaging.topic
    },
    var.iris_secret_expires == "" ? {} : { IRIS_SECRET_EXPIRES = var.iris_secret_expires },
  )

  depends_on = [google_project_service.needed, module.messaging, module.secret]
}

module "drain" {
  source = "./modules/scheduled_job"
  count  = var.pipeline_runs_as == "drain" ? 1 : 0

  project   = var.project
  region    = var.region
  name      = "iris-drain"
  image     = local.pipeline_image
  account   = module.identities.pipeline
  scheduler = module.identities.scheduler
  schedule  = "*/${var.drain_every_minutes} * * * *"
  timeout   = "${local.drain_timeout}s"
  command   = ["python", "-m", "pipeline"]
  arguments = [
    "--drain",
    "--max_seconds", tostring(local.drain_max_seconds),
    "--subscription", module.messaging.subscription,
    "--project", var.project,
    "--dataset", var.dataset,
    "--archive_prefix", "gs://${module.storage.raw_bucket}/raw",
  ]

  depends_on = [module.messaging, module.warehouse, module.storage]
}

# Checks what Google's metrics cannot show: the freshness of every dataset, dead letters,
# and whether the ledger is balanced. Exit code 1 fails the execution, which is an alert.
module "check" {
  source = "./modules/scheduled_job"
  count  = local.is_pipeline_deployed ? 1 : 0

  project   = var.project
  region    = var.region
  name      = "iris-check"
  image     = local.pipeline_image
  account   = module.identities.pipeline
  scheduler = module.identities.scheduler
  schedule  = var.check_schedule
  timeout   = "900s"
  command   = ["python", "-m", "sql", "check"]
  arguments = ["--project", var.project, "--dataset", var.dataset]

  depends_on = [module.warehouse]
}

# More permissions for Dataflow's workers, in the streaming variant only: to be workers,
# and to pull their image. They apply to the project and to the repository, since the job
# does not exist before it is launched.
resource "google_project_iam_member" "dataflow_worker" {
  count = var.pipeline_runs_as == "streaming" ? 1 : 0

  project = var.project
  role    = "roles/dataflow.worker"
  member  = module.identities.pipeline.member
}

resource "google_artifact_registry_repository_iam_member" "pipeline_reader" {
  count = var.pipeline_runs_as == "streaming" ? 1 : 0

  project    = var.project
  location   = var.region
  repository = google_artifact_registry_repository.images.repository_id
  role       = "roles/artifactregistry.reader"
  member     = module.identities.pipeline.member
}

module "alerts" {
  source = "./modules/alerts"

  project                  = var.project
  email                    = var.alert_email
  topic_name               = module.messaging.topic_name
  subscription_name        = module.messaging.subscription_name
  dead_letter_subscription = module.messaging.dead_letter_subscription_name
  backlog_seconds          = var.backlog_alert_minutes * 60
  silence_seconds          = var.silence_alert_minutes * 60
  is_bridge_deployed       = var.bridge_runs_on != "none"
  is_pipeline_deployed     = local.is_pipeline_deployed

  depends_on = [google_project_service.needed]
}
