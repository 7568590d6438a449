#!/bin/sh
# DuckDB, and a CHECKPOINT for which the disk has no room.
#
# One expects: it fails, as an INSERT does on a full disk, and both work when there is
# room again. The rows are in the log, after all.
# What happens: an INSERT that fails leaves the database as it was. A CHECKPOINT that
# fails gives the database up: also with room again, each statement says that it has been
# invalidated, until it is opened again. Then all rows are there. A program that
# checkpoints now and then should look first whether there is room.
# Tried with duckdb 1.5.5, Python 3.11, Linux. A limit for the size of files stands for
# the full disk.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "duckdb==1.5.5"
cat >"$work/try.py" <<'END'
import resource
import sys

import duckdb

PATH = sys.argv[1]


def limited(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def answer(connection, statement):
    """What a statement says: its rows, or the end of its error."""
    try:
        return connection.execute(statement).fetchall()
    except duckdb.Error as error:
        return str(error)


print("duckdb", duckdb.__version__)
seen = {}
for statement in ("INSERT INTO t VALUES (2)", "CHECKPOINT"):
    connection = duckdb.connect(f"{PATH}-{statement.split()[0]}")
    connection.execute("CREATE TABLE t (n INTEGER)")
    connection.execute("INSERT INTO t VALUES (1)")
    limited(100)
    refused = answer(connection, statement)
    limited(resource.RLIM_INFINITY)  # the limit holds for the output, too
    print(f"{statement}, no room:", refused)
    seen[statement] = answer(connection, "SELECT count(*) FROM t")
    print(f"{statement}, room again:", seen[statement])
    connection.close()
found = answer(duckdb.connect(f"{PATH}-CHECKPOINT"), "SELECT count(*) FROM t")
print("CHECKPOINT, opened again:", found)
inserted, checkpointed = seen.values()
if inserted != [(1,)] or "invalidated" not in checkpointed or found != [(1,)]:
    sys.exit("changed: a failed checkpoint no longer costs the connection")
END
exec "$work/venv/bin/python" "$work/try.py" "$work/d"
