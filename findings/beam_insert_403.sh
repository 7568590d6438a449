#!/bin/sh
# Beam's WriteToBigQuery and one answer 403 of streaming inserts.
#
# One expects: a quota error or a permission that takes a minute to arrive is waited for
# with RETRY_ON_TRANSIENT_ERROR, since it says nothing about the rows.
# What happens: after one answer 403 `quotaExceeded` every row of the request comes out as
# a failed row, and nothing is asked again. The answer is judged by its HTTP phrase
# ("Forbidden"), not by the reason that BigQuery gives. With 429 or `rateLimitExceeded`
# the rows are sent again.
# Tried with apache-beam 2.77.0, google-cloud-bigquery 3.40.0, Python 3.11.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "apache-beam[gcp]==2.77.0" \
    "google-cloud-bigquery==3.40.0"
cat >"$work/try.py" <<'END'
import importlib.metadata
import json
import logging
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import apache_beam as beam
from apache_beam.io.gcp.bigquery import WriteToBigQuery
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

logging.disable(logging.CRITICAL)
FIRST = {}  # status and reason of the first answer; afterwards all rows are taken
ASKED = []
FAILED = []


class BigQuery(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        ASKED.append(self.path)
        code = FIRST["code"] if len(ASKED) == 1 else 200
        error = {"code": code, "message": "later", "errors": [{"reason": FIRST["reason"]}]}
        body = json.dumps({} if code == 200 else {"error": error}).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Client:
    def __init__(self, host):
        self.host = host

    def insert_rows_json(self, *arguments, **options):
        client = bigquery.Client(
            "project",
            AnonymousCredentials(),
            client_options={"api_endpoint": self.host},
        )
        return client.insert_rows_json(*arguments, **options)


def keep(failed):
    print(f"  failed row {failed[1]}: {failed[2][0]['reason']}")
    sys.modules["__main__"].FAILED.append(failed[1])


def write(code, reason):
    FIRST.update(code=code, reason=reason)
    ASKED.clear()
    FAILED.clear()
    server = HTTPServer(("127.0.0.1", 0), BigQuery)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"first answer {code} {reason}")
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        rows = pipeline | beam.Create([{"a": 1}, {"a": 2}])
        written = rows | WriteToBigQuery(
            "project:data.table",
            method="STREAMING_INSERTS",
            create_disposition="CREATE_NEVER",
            insert_retry_strategy="RETRY_ON_TRANSIENT_ERROR",
            test_client=Client(f"http://127.0.0.1:{server.server_port}"),
        )
        _ = written.failed_rows_with_errors | beam.Map(keep)
    server.shutdown()
    print(f"  {len(ASKED)} requests, {len(FAILED)} failed rows")
    return len(ASKED), len(FAILED)


print("apache-beam", importlib.metadata.version("apache-beam"))
seen = [write(403, "quotaExceeded"), write(429, "rateLimitExceeded")]
sys.exit(seen != [(1, 2), (2, 0)])
END
if "$work/venv/bin/python" "$work/try.py"; then
    echo "as described: one 403 makes all rows of the request failed rows"
else
    echo "changed: see above" >&2
    exit 1
fi
