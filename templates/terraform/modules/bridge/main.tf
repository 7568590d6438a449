# One bridge, as one queue is for one client: either of the two files beside this one,
# or neither.

locals {
  health_port = 8080 # as in templates/bridge/Dockerfile

  is_incomplete = anytrue([
    for name in ["IRIS_CLIENT_ID", "IRIS_QUEUE_NAME"] : var.settings[name] == ""
  ])
}
