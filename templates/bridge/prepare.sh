#!/bin/sh
# Runs before each start of iris-bridge.service: removes a container that a crash left,
# logs in to the registry of the image, and writes the container's settings, which include
# the secret, to a file in memory. Container-Optimized OS has neither gcloud nor Python,
# so this uses curl and sed.
#
# From bridge.env: PROJECT and SECRET name the secret, REGISTRY is the host of the image.
# GCE_METADATA_HOST, SECRET_MANAGER_URL and SETTINGS_FILE are for tests.
set -eu

fail() { echo "iris-bridge: $*" >&2; exit 1; }

field() { tr -d '\n' | sed -n 's/.*"'"$1"'" *: *"\([^"]*\)".*/\1/p'; }

metadata=http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1
manager=${SECRET_MANAGER_URL:-https://secretmanager.googleapis.com}

docker rm --force iris-bridge >/dev/null 2>&1 || true
if command -v docker-credential-gcr >/dev/null; then
    docker-credential-gcr configure-docker --registries "$REGISTRY" >/dev/null
fi

token=$(curl -sS --fail --retry 3 -H "Metadata-Flavor: Google" \
    "$metadata/instance/service-accounts/default/token" | field access_token)
[ -n "$token" ] || fail "the metadata server returned no token:" \
    "give the VM a service account, with the scope cloud-platform"

# The token goes through standard input: every user of the VM can see arguments.
secret=$(printf 'Authorization: Bearer %s' "$token" | curl -sS --fail --retry 3 -H @- \
    "$manager/v1/projects/$PROJECT/secrets/$SECRET/versions/latest:access" |
    field data | base64 -d)
[ -n "$secret" ] || fail "secret $SECRET has no value, or this account may not read it:" \
    "gcloud secrets versions add $SECRET --project $PROJECT --data-file -" \
    "sets the value, roles/secretmanager.secretAccessor allows to read it"

umask 077
settings=$RUNTIME_DIRECTORY/container.env
grep -E '^(IRIS_|PUBSUB_|HEALTH_)' "${SETTINGS_FILE:-/etc/iris-bridge/bridge.env}" >"$settings"
printf 'IRIS_CLIENT_SECRET=%s\n' "$secret" >>"$settings"
chown 10001:10001 "$STATE_DIRECTORY"
