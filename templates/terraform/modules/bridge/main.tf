# One bridge at most, since an IRIS queue is for one client: on a worker pool
# (worker_pool.tf) or on a VM (vm.tf).

locals {
  health_port = 8080 # the same as in templates/bridge/Dockerfile

  is_incomplete = anytrue([
    for name in ["IRIS_CLIENT_ID", "IRIS_QUEUE_NAME"] : var.settings[name] == ""
  ])
}
