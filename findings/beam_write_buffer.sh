#!/bin/sh
# The bound on buffered rows of Beam's streaming inserts grows while a worker lives.
#
# One expects: `max_buffered_rows` (2,000 by default) bounds the rows that the DoFn behind
# WriteToBigQuery holds over all tables, for as long as it runs.
# What happens: each flush of a table's full batch leaves its count of rows one too low,
# and a new bundle does not reset it. After 10,000 rows of one busy table in batches of 10
# some 3,000 rows are held before the next flush, and so on.
# Tried with apache-beam 2.77.0, Python 3.11.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "apache-beam[gcp]==2.77.0"
cat >"$work/try.py" <<'END'
import importlib.metadata
import logging
import sys

from apache_beam.io.gcp.bigquery import BigQueryWriteFn
from apache_beam.transforms.window import GlobalWindows

logging.disable(logging.CRITICAL)
WINDOW = GlobalWindows.windowed_value(None)


class Client:
    calls = 0

    def insert_rows_json(self, *_, **__):
        Client.calls += 1
        return []


writer = BigQueryWriteFn(
    batch_size=10,
    create_disposition="CREATE_NEVER",
    write_disposition="WRITE_APPEND",
    test_client=Client(),
)


def put(table):
    row = (f"project:data.{table}", ({"a": 1}, "id"))
    list(writer.process(row, WINDOW) or ())


def rows_held():
    """Rows of many tables, none with a full batch, until something is flushed."""
    writer.start_bundle()
    Client.calls = count = 0
    while not Client.calls:
        count += 1
        put(f"t{count % 5_000}")
    list(writer.finish_bundle())
    return count


print("apache-beam", importlib.metadata.version("apache-beam"))
fresh = rows_held()
writer.start_bundle()
for _ in range(10_000):
    put("busy")
list(writer.finish_bundle())
later = rows_held()
print(f"rows held before a flush: {fresh} at first, {later} after a busy table")
sys.exit(not (fresh == 2_000 and later > 2_900))
END
if "$work/venv/bin/python" "$work/try.py"; then
    echo "as described: the bound grows with every full batch"
else
    echo "changed: see above" >&2
    exit 1
fi
