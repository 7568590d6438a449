# A VM with Container-Optimized OS, which has Docker and updates itself. It runs the units
# in templates/bridge: systemd restarts the container, each start fetches the secret, a
# watchdog restarts a bridge that hangs, and the bridge's position in the queue is on the
# disk.

locals {
  files = "${path.module}/../../../bridge"
  is_vm = var.runs_on == "vm"
  env_settings = merge(var.settings, {
    IMAGE    = var.image
    PROJECT  = var.project
    REGISTRY = var.registry
    SECRET   = var.secret
  })

  # On this system /etc is in memory, and cloud-init writes it at each boot.
  # https://cloud.google.com/container-optimized-os/docs/how-to/create-configure-instance
  cloud_init = {
    write_files = [
      {
        path        = "/etc/systemd/system/iris-bridge.service"
        permissions = "0644"
        owner       = "root"
        content     = file("${local.files}/iris-bridge.service")
      },
      {
        path        = "/etc/systemd/system/iris-bridge-watchdog.service"
        permissions = "0644"
        owner       = "root"
        content     = file("${local.files}/iris-bridge-watchdog.service")
      },
      {
        path        = "/etc/iris-bridge/prepare.sh"
        permissions = "0644"
        owner       = "root"
        content     = file("${local.files}/prepare.sh")
      },
      {
        path        = "/etc/iris-bridge/watchdog.sh"
        permissions = "0644"
        owner       = "root"
        content     = file("${local.files}/watchdog.sh")
      },
      {
        path        = "/etc/iris-bridge/bridge.env"
        permissions = "0644"
        owner       = "root"
        content     = join("", [for name, text in local.env_settings : "${name}=${text}\n"])
      },
    ]
    runcmd = [
      ["systemctl", "daemon-reload"],
      ["systemctl", "start", "iris-bridge.service", "iris-bridge-watchdog.service"],
    ]
  }
}

resource "google_compute_instance" "bridge" {
  count = local.is_vm ? 1 : 0

  project                   = var.project
  zone                      = var.zone
  name                      = "iris-bridge"
  machine_type              = var.machine_type
  description               = "gb-iris bridge: the IRIS queue to Pub/Sub"
  allow_stopping_for_update = true

  boot_disk {
    initialize_params {
      image = "cos-cloud/cos-stable"
      size  = 10
      type  = "pd-standard"
    }
  }

  network_interface {
    network    = var.network
    subnetwork = var.subnetwork == "" ? null : var.subnetwork

    # An external address: IRIS is on the internet. Without one, Cloud NAT is the way.
    dynamic "access_config" {
      for_each = var.has_address ? ["this"] : []
      content {}
    }
  }

  # IAM decides what the account may do; scopes could only restrict that.
  service_account {
    email  = var.account.email
    scopes = ["cloud-platform"]
  }

  metadata = {
    user-data              = "#cloud-config\n${yamlencode(local.cloud_init)}"
    google-logging-enabled = "true"
    block-project-ssh-keys = "true"
    cos-update-strategy    = "update_enabled"
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  lifecycle {
    precondition {
      condition     = !local.is_incomplete
      error_message = "The bridge needs iris_client_id and iris_queue_name: set both in terraform.tfvars."
    }
  }

  depends_on = [google_artifact_registry_repository_iam_member.vm_pulls]
}

# A VM pulls its image and sends its logs with its own account; Cloud Run does not.
resource "google_artifact_registry_repository_iam_member" "vm_pulls" {
  count = local.is_vm ? 1 : 0

  project    = var.project
  location   = var.region
  repository = var.repository
  role       = "roles/artifactregistry.reader"
  member     = var.account.member
}

resource "google_project_iam_member" "vm_logs" {
  count = local.is_vm ? 1 : 0

  project = var.project
  role    = "roles/logging.logWriter"
  member  = var.account.member
}
