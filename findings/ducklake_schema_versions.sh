#!/bin/sh
# A merge of DuckLake keeps in memory one catalog for each transaction that created a table.
#
# One expects: merging the small files of 60 tables needs memory for one table at a time.
# What happens: a merge reads the catalog as it was when the table was created, and DuckDB's
# object cache keeps every one of these, with all tables that there were, until the process
# ends. Tables that one transaction created share one. Detaching the catalog, a smaller
# memory_limit and expiring the snapshots do not free them.
# Tried with duckdb 1.5.5, duckdb-extension-ducklake 1.5.5, Python 3.11.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet duckdb==1.5.5 duckdb-extensions==1.5.5 \
    duckdb-extension-ducklake==1.5.5
cat >"$work/try.py" <<'END'
import pathlib
import sys
import tempfile

import duckdb
from duckdb_extensions import import_extension

import_extension("ducklake")
TABLES, INSERTS = 60, 3
COLUMNS = ", ".join(f"column_{number} VARCHAR" for number in range(30))


def cached(in_one_transaction):
    """Kilobytes of DuckDB's object cache, after the files of all tables are merged."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=sys.argv[1]))
    connection = duckdb.connect()
    connection.execute(
        f"ATTACH 'ducklake:{folder}/lake.ducklake' AS lake "
        f"(DATA_PATH '{folder}/files/', DATA_INLINING_ROW_LIMIT 0)"
    )
    if in_one_transaction:
        connection.execute("BEGIN")
    for table in range(TABLES):
        connection.execute(f"CREATE TABLE lake.t{table} ({COLUMNS})")
    if in_one_transaction:
        connection.execute("COMMIT")
    for table in range(TABLES):
        for number in range(INSERTS):
            connection.execute(f"INSERT INTO lake.t{table} (column_0) VALUES ('{number}')")
    connection.execute("CALL ducklake_merge_adjacent_files('lake')")
    ((size,),) = connection.execute(
        "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'OBJECT_CACHE'"
    ).fetchall()
    return size // 1000


apart, together = cached(in_one_transaction=False), cached(in_one_transaction=True)
print(f"object cache: {apart} kB if each table has a transaction, {together} kB if one")
sys.exit(0 if apart > 10 * together else 1)
END
"$work/venv/bin/python" "$work/try.py" "$work"
