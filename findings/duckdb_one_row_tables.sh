#!/bin/sh
# DuckDB, a database file, and many tables of one row.
#
# One expects: a table of one row in a database file takes some bytes of memory, and is in
# the file soon after it is committed.
# What happens: until a checkpoint, a row of six columns, one of them a STRUCT, takes 100 to
# 130 KB of memory. It adds half a kilobyte to the log, and a checkpoint comes when that
# has 16 MB: after some 30,000 such tables and 4 GB. With the usual blocks of 256 KB a
# checkpoint makes it 270 KB, since the block that was written stays in memory; with
# blocks of 16 KB (`default_block_size`) it makes it 33 KB. A server that keeps the result
# of each query as a table needs both: small blocks, and checkpoints that it asks for.
# Tried with duckdb 1.5.5, Python 3.11 and 3.13.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "duckdb==1.5.5"
cat >"$work/try.py" <<'END'
import os
import sys

import duckdb

ROW = "SELECT 1 AS a, 'b' AS b, now() AS c, 1.5 AS d, {'x': 1, 'y': [1]} AS e, 2 AS f"
TABLES = 100


def memory_kb(connection):
    sql = "SELECT sum(memory_usage_bytes) FROM duckdb_memory()"
    return int(connection.execute(sql).fetchone()[0]) // 1024


def fill(block_bytes):
    file = f"{sys.argv[1]}/{block_bytes}.duckdb"
    config = {"default_block_size": block_bytes, "threads": 1}
    connection = duckdb.connect(file, config=config)
    for number in range(TABLES):
        connection.execute(f"CREATE TABLE t{number} AS {ROW}")
    log_kb = os.path.getsize(f"{file}.wal") // 1024
    before = memory_kb(connection)
    connection.execute("CHECKPOINT")
    after = memory_kb(connection)
    print(
        f"blocks of {block_bytes // 1024} KB: a table takes {before // TABLES:,} KB, "
        f"after a checkpoint {after // TABLES:,} KB; {TABLES} tables, a log of {log_kb} KB",
        flush=True,
    )
    return before // TABLES, after // TABLES, log_kb


print("duckdb", duckdb.__version__)
large, small = fill(262_144), fill(16_384)
ok = 100 <= small[0] <= large[0] <= 160 and max(large[2], small[2]) < 100
sys.exit(not (ok and small[1] < small[0] / 2 and large[1] > large[0] * 1.5))
END
if "$work/venv/bin/python" "$work/try.py" "$work"; then
    echo "as described: a table of one row takes 100 KB or more until a checkpoint"
else
    echo "changed: see above" >&2
    exit 1
fi
