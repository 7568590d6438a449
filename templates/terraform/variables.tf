variable "project" {
  description = "The Google Cloud project. It must exist, with billing enabled."
  type        = string
}

variable "region" {
  description = "The region of everything, including the BigQuery dataset."
  type        = string
  default     = "europe-west2" # London
}

variable "dataset" {
  description = "The BigQuery dataset."
  type        = string
  default     = "uk_energy_prod"
}

variable "create_dataset" {
  description = "Whether Terraform creates the dataset. Set false if it exists, for example with your historic tables. Its location should be the region."
  type        = bool
  default     = true
}

variable "bucket_prefix" {
  description = "The beginning of the names of the raw bucket and the staging bucket. Empty: the project, which the commands of this repository expect."
  type        = string
  default     = ""
}

variable "image_tag" {
  description = "The tag of all images. Use a new tag for each build: Cloud Run deploys a new version when the tag changes, and the old tag is the way back."
  type        = string
  default     = "v1"

  validation {
    condition     = var.image_tag != "latest" && can(regex("^[\\w][\\w.-]{0,127}$", var.image_tag))
    error_message = "image_tag must be a new tag for each build, for example v2, and not \"latest\"."
  }
}

variable "bridge_runs_on" {
  description = "worker_pool: a Cloud Run worker pool with one instance. vm: one small VM. none: there is no image yet, or the bridge runs elsewhere."
  type        = string
  default     = "none"

  validation {
    condition     = contains(["worker_pool", "vm", "none"], var.bridge_runs_on)
    error_message = "bridge_runs_on must be worker_pool, vm or none."
  }
}

variable "pipeline_runs_as" {
  description = "drain: a Cloud Run job on a schedule. streaming: Dataflow, started with `make launch`. none: there are no images and tables yet."
  type        = string
  default     = "none"

  validation {
    condition     = contains(["drain", "streaming", "none"], var.pipeline_runs_as)
    error_message = "pipeline_runs_as must be drain, streaming or none."
  }
}

variable "iris_client_id" {
  description = "Client id from https://bmrs.elexon.co.uk/iris. Its secret is not a variable: see README.md."
  type        = string
  default     = ""
}

variable "iris_queue_name" {
  description = "Queue name from https://bmrs.elexon.co.uk/iris; several of one account: name-1,name-2."
  type        = string
  default     = ""
}

variable "iris_secret_expires" {
  description = "The last day of the client secret, YYYY-MM-DD. In the 30 days before it, the bridge logs a warning every day, which is an alert."
  type        = string
  default     = ""

  validation {
    condition     = var.iris_secret_expires == "" || can(regex("^\\d{4}-\\d{2}-\\d{2}$", var.iris_secret_expires))
    error_message = "iris_secret_expires must be a day, for example 2027-05-01, or empty."
  }
}

variable "zone" {
  description = "The zone of the VM, for bridge_runs_on = \"vm\"."
  type        = string
  default     = "europe-west2-b"
}

variable "machine_type" {
  description = "The machine type of the VM. e2-micro has 1 GB of memory, and the bridge uses up to 400 MB."
  type        = string
  default     = "e2-micro"
}

variable "network" {
  description = "The VPC network of the VM, and of the bridge and the jobs with subnetwork."
  type        = string
  default     = "default"
}

variable "subnetwork" {
  description = "The subnetwork through which the bridge and the jobs reach everything, where an organisation requires it: all of their traffic goes there, and the network needs Cloud NAT. Empty: Cloud Run's own way, or the VM's default subnetwork."
  type        = string
  default     = ""
}

variable "bridge_has_address" {
  description = "Whether the VM has an external address. Without one, which constraints/compute.vmExternalIpAccess may require, the network needs Cloud NAT. Nothing listens on the address."
  type        = bool
  default     = true
}

variable "drain_every_minutes" {
  description = "The interval of the drain job. Each run ends before the next one starts."
  type        = number
  default     = 5

  validation {
    condition     = contains([2, 3, 4, 5, 6, 10, 12, 15, 20, 30], var.drain_every_minutes)
    error_message = "drain_every_minutes must divide an hour evenly: use 2, 3, 4, 5, 6, 10, 12, 15, 20 or 30."
  }
}

variable "check_every_hours" {
  description = "The interval of `python -m sql check`. Each run queries every table once."
  type        = number
  default     = 6

  validation {
    condition     = contains([1, 2, 3, 4, 6, 8, 12], var.check_every_hours)
    error_message = "check_every_hours must divide a day evenly: use 1, 2, 3, 4, 6, 8 or 12."
  }
}

variable "refresh_every_hours" {
  description = "The interval of `python -m sql refresh`, which makes the resolved views fast: each run reads all columns of MELS and MILS that they need. 0: never."
  type        = number
  default     = 6

  validation {
    condition     = contains([0, 1, 2, 3, 4, 6, 8, 12, 24], var.refresh_every_hours)
    error_message = "refresh_every_hours must divide a day evenly: use 1, 2, 3, 4, 6, 8, 12 or 24, or 0 for never."
  }
}

variable "dashboard_viewers" {
  description = "Who may open the dashboard, as IAM names them, for example [\"user:me@example.org\", \"group:desk@example.org\"]. Empty: there is no dashboard."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.dashboard_viewers : can(regex("^(user|group|domain|serviceAccount|principal|principalSet):.+$", one))])
    error_message = "dashboard_viewers must be a list such as [\"user:me@example.org\", \"group:desk@example.org\"]. Not everybody: the dashboard's queries cost money."
  }
}

variable "alert_email" {
  description = "The e-mail address that receives alerts. Empty: alerts appear only in the console."
  type        = string
  default     = ""
}

variable "backlog_alert_minutes" {
  description = "Alert if the oldest message waits in Pub/Sub for this many minutes: with a drain, two of its intervals at least."
  type        = number
  default     = 30
}

variable "stream_lag_alert_minutes" {
  description = "Alert if an element waits in the stream for this many minutes."
  type        = number
  default     = 10
}

variable "stream_backlog_alert" {
  description = "Alert if more elements than this wait before a stage of the stream for ten minutes. IRIS sends 0.5 to 3.5 messages a second; a backfill sends more."
  type        = number
  default     = 20000
}

variable "silence_alert_minutes" {
  description = "Alert if nothing is published for this many minutes. IRIS sends about a message a second; a queue with only a few datasets needs a higher value."
  type        = number
  default     = 10
}

variable "keep_acknowledged" {
  description = "Whether Pub/Sub keeps acknowledged messages for 7 days, so that `gcloud pubsub subscriptions seek` can deliver them again."
  type        = bool
  default     = true
}

variable "raw_nearline_days" {
  description = "The age in days at which raw messages move to Nearline storage. null: never, since each of many small files costs more to move than it saves."
  type        = number
  default     = null
}

variable "raw_coldline_days" {
  description = "The same for Coldline storage."
  type        = number
  default     = null
}

variable "raw_archive_days" {
  description = "The same for Archive storage. Raw messages are never deleted."
  type        = number
  default     = null
}
