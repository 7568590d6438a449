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
      "bigquerystorage.googleapis.com",
      "cloudbuild.googleapis.com",
      "cloudresourcemanager.googleapis.com",
      "cloudscheduler.googleapis.com",
      "iam.googleapis.com",
      "iamcredentials.googleapis.com",
      "logging.googleapis.com",
      "monitoring.googleapis.com",
      "pubsub.googleapis.com",
      "run.googleapis.com",
      "secretmanager.googleapis.com",
      "serviceusage.googleapis.com",
      "storage.googleapis.com",
    ],
    var.bridge_runs_on == "vm" || var.subnetwork != "" ? ["compute.googleapis.com"] : [],
    var.pipeline_runs_as == "streaming" ? ["compute.googleapis.com", "dataflow.googleapis.com"] : [],
    local.has_dashboard ? ["iap.googleapis.com"] : [],
  )

  registry        = "${var.region}-docker.pkg.dev"
  images          = "${local.registry}/${var.project}/${google_artifact_registry_repository.images.repository_id}"
  bridge_image    = "${local.images}/bridge:${var.image_tag}"
  pipeline_image  = "${local.images}/pipeline:${var.image_tag}"
  dashboard_image = "${local.images}/dashboard:${var.image_tag}"

  # One drain at a time: Cloud Run would start the next one even if this one still runs.
  # So the job begins no new round after two thirds of the interval, and Cloud Run stops
  # it 15 s before the next start. No message is lost then: Pub/Sub delivers it again.
  drain_seconds        = var.drain_every_minutes * 60
  drain_max_seconds    = floor(local.drain_seconds * 2 / 3)
  drain_timeout        = local.drain_seconds - 15
  is_pipeline_deployed = var.pipeline_runs_as != "none"
  has_dashboard        = length(var.dashboard_viewers) > 0
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
  keeps_acknowledged    = var.keep_acknowledged

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
  builder       = module.identities.builder.member
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
  description   = "Images of gb-iris: bridge, pipeline and dashboard"
  # No clean-up of old images: a streaming job pulls its image for each new worker, and
  # the image before is the way back.

  # A tag is a release: it never moves to another image.
  docker_config {
    immutable_tags = true
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_project_service.needed]
}

# The account of Cloud Build: it reads the sources that gcloud uploads, writes its log, and
# pushes the images.
# https://cloud.google.com/build/docs/securing-builds/configure-user-specified-service-accounts
resource "google_artifact_registry_repository_iam_member" "builder_pushes" {
  project    = var.project
  location   = var.region
  repository = google_artifact_registry_repository.images.repository_id
  role       = "roles/artifactregistry.writer"
  member     = module.identities.builder.member
}

resource "google_project_iam_member" "builder_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = module.identities.builder.member
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
  subnetwork   = var.subnetwork
  has_address  = var.bridge_has_address
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

  project    = var.project
  region     = var.region
  name       = "iris-drain"
  image      = local.pipeline_image
  account    = module.identities.pipeline
  scheduler  = module.identities.scheduler
  network    = var.network
  subnetwork = var.subnetwork
  schedule   = "*/${var.drain_every_minutes} * * * *"
  timeout    = "${local.drain_timeout}s"
  command    = ["python", "-m", "pipeline"]
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

  project    = var.project
  region     = var.region
  name       = "iris-check"
  image      = local.pipeline_image
  account    = module.identities.pipeline
  scheduler  = module.identities.scheduler
  network    = var.network
  subnetwork = var.subnetwork
  schedule   = "5 */${var.check_every_hours} * * *"
  timeout    = "900s"
  command    = ["python", "-m", "sql", "check"]
  arguments  = ["--project", var.project, "--dataset", var.dataset]

  depends_on = [module.warehouse]
}

# Resolves the export and import limits that have arrived since the last run. The views are
# right without it, and slower.
module "refresh" {
  source = "./modules/scheduled_job"
  count  = local.is_pipeline_deployed && var.refresh_every_hours > 0 ? 1 : 0

  project    = var.project
  region     = var.region
  name       = "iris-refresh"
  image      = local.pipeline_image
  account    = module.identities.pipeline
  scheduler  = module.identities.scheduler
  network    = var.network
  subnetwork = var.subnetwork
  schedule   = var.refresh_every_hours == 24 ? "35 0 * * *" : "35 */${max(var.refresh_every_hours, 1)} * * *"
  timeout    = "1800s"
  command    = ["python", "-m", "sql", "refresh"]
  arguments  = ["--project", var.project, "--dataset", var.dataset]

  depends_on = [module.warehouse]
}

module "dashboard" {
  source = "./modules/dashboard"
  count  = local.has_dashboard ? 1 : 0

  project        = var.project
  project_number = data.google_project.this.number
  region         = var.region
  dataset        = var.dataset
  image          = local.dashboard_image
  secret_expires = var.iris_secret_expires
  viewers        = var.dashboard_viewers

  depends_on = [google_project_service.needed, module.warehouse]
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
  pipeline_runs_as         = var.pipeline_runs_as
  drain_seconds            = local.drain_seconds
  check_every_hours        = var.check_every_hours
  stream_name              = "gb-iris" # the default of make launch
  stream_lag_seconds       = var.stream_lag_alert_minutes * 60
  stream_backlog           = var.stream_backlog_alert

  depends_on = [google_project_service.needed]
}
