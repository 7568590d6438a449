#!/bin/sh
# Restarts the bridge when it has not been healthy for ten minutes, as Cloud Run does:
# systemd alone restarts only a process that ends. The bridge itself opens new sessions;
# a new process resolves all addresses again.
#
# A bridge that somebody has stopped is left alone.
#
# HEALTH_URL, PAUSE_SECONDS and MAX_FAILURES are for tests.
set -u

url=${HEALTH_URL:-http://127.0.0.1:8080/healthz}
failures=0
while sleep "${PAUSE_SECONDS:-60}"; do
    if ! systemctl is-active --quiet iris-bridge.service ||
        curl -sS --fail --max-time 10 --output /dev/null "$url"
    then
        failures=0
        continue
    fi
    failures=$((failures + 1))
    if [ "$failures" -ge "${MAX_FAILURES:-10}" ]; then
        echo "iris-bridge: not healthy $failures times in turn: it is restarted" >&2
        systemctl restart iris-bridge.service
        failures=0
    fi
done
