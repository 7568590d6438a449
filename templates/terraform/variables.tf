variable "project" {
  description = "The Google Cloud project, which exists and has billing."
  type        = string
}

variable "region" {
  description = "Where everything runs and lies, BigQuery's dataset included."
  type        = string
  default     = "europe-west2" # London
}

variable "dataset" {
  description = "The BigQuery dataset."
  type        = string
  default     = "uk_energy_prod"
}

variable "create_dataset" {
  description = "Whether Terraform makes the dataset. False if it is there already, with your historic tables: then its location is yours, and should be var.region."
  type        = bool
  default     = true
}

variable "bucket_prefix" {
  description = "What the names of raw and staging bucket begin with. Empty: the project, as the commands of this repository take them to be."
  type        = string
  default     = ""
}

variable "image_tag" {
  description = "Tag of both images, bridge and pipeline. A new build takes a new tag: Cloud Run deploys when the name changes, and a rollback is the old name."
  type        = string
  default     = "v1"

  validation {
    condition     = var.image_tag != "latest" && can(regex("^[\\w][\\w.-]{0,127}$", var.image_tag))
    error_message = "A tag of its own for each build, not \"latest\"."
  }
}

variable "bridge_runs_on" {
  description = "worker_pool: a Cloud Run worker pool of one instance. vm: one small VM. none: nothing yet (no image), or elsewhere."
  type        = string
  default     = "none"

  validation {
    condition     = contains(["worker_pool", "vm", "none"], var.bridge_runs_on)
    error_message = "worker_pool, vm or none."
  }
}

variable "pipeline_runs_as" {
  description = "drain: a Cloud Run job on a schedule. streaming: Dataflow, launched by `make launch`. none: nothing yet (no image, no tables)."
  type        = string
  default     = "none"

  validation {
    condition     = contains(["drain", "streaming", "none"], var.pipeline_runs_as)
    error_message = "drain, streaming or none."
  }
}

variable "iris_client_id" {
  description = "Client id from https://bmrs.elexon.co.uk/iris. The secret that belongs to it is no variable: see README.md."
  type        = string
  default     = ""
}

variable "iris_queue_name" {
  description = "Queue name from https://bmrs.elexon.co.uk/iris."
  type        = string
  default     = ""
}

variable "iris_secret_expires" {
  description = "Last day of the client secret, YYYY-MM-DD: from 30 days before, the bridge warns daily, and the warning is an alert."
  type        = string
  default     = ""

  validation {
    condition     = var.iris_secret_expires == "" || can(regex("^\\d{4}-\\d{2}-\\d{2}$", var.iris_secret_expires))
    error_message = "A day, as 2027-05-01."
  }
}

variable "zone" {
  description = "Zone of the VM, for bridge_runs_on = \"vm\"."
  type        = string
  default     = "europe-west2-b"
}

variable "machine_type" {
  description = "e2-micro has 1 GB, of which the bridge takes up to 400 MB."
  type        = string
  default     = "e2-micro"
}

variable "network" {
  description = "VPC network of the VM. It needs a way out to the internet; the VM has an address of its own for that, and nothing listens on it."
  type        = string
  default     = "default"
}

variable "drain_every_minutes" {
  description = "How often the drain job starts. It ends before the next one does."
  type        = number
  default     = 5

  validation {
    condition     = contains([2, 3, 4, 5, 6, 10, 12, 15, 20, 30], var.drain_every_minutes)
    error_message = "2, 3, 4, 5, 6, 10, 12, 15, 20 or 30: what divides an hour evenly."
  }
}

variable "check_schedule" {
  description = "When `python -m sql check` runs, in cron's notation, UTC. Each run queries every table once."
  type        = string
  default     = "5 */6 * * *"
}

variable "alert_email" {
  description = "Where alerts go. Empty: they are only in the console."
  type        = string
  default     = ""
}

variable "backlog_alert_minutes" {
  description = "An alert when the oldest message waits in Pub/Sub for so long."
  type        = number
  default     = 30
}

variable "silence_alert_minutes" {
  description = "An alert when nothing was published for so long. IRIS sends a message a second; a queue that is filtered to few datasets wants more."
  type        = number
  default     = 10
}

variable "raw_nearline_days" {
  description = "Age at which raw messages move to Nearline storage."
  type        = number
  default     = 30
}

variable "raw_coldline_days" {
  description = "Age at which they move to Coldline."
  type        = number
  default     = 90
}

variable "raw_archive_days" {
  description = "Age at which they move to Archive. They are never deleted."
  type        = number
  default     = 365
}
