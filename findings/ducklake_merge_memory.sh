#!/bin/sh
# Files that DuckLake has merged and deleted stay in DuckDB's memory.
#
# One expects: a process that merges small files and removes the old ones needs memory for
# the files that exist.
# What happens: DuckDB's cache of file contents (enable_external_file_cache, on by default)
# keeps what it has read of each of them, under names that never come back: the cache grows
# with every merge, while there is one file. With the cache off it stays at nothing.
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
MERGES, INSERTS = 20, 8


def cached_after_merges(cache):
    """Bytes of file contents in memory, and the files of the table."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=sys.argv[1]))
    connection = duckdb.connect()
    connection.execute(f"SET enable_external_file_cache = {cache}")
    connection.execute(
        f"ATTACH 'ducklake:{folder}/lake.ducklake' AS lake "
        f"(DATA_PATH '{folder}/files/', DATA_INLINING_ROW_LIMIT 0)"
    )
    connection.execute("CREATE TABLE lake.t AS SELECT 0 AS n, 'text' AS s")
    sizes = []
    for merge in range(MERGES):
        for n in range(INSERTS):
            connection.execute("INSERT INTO lake.t VALUES (?, ?)", [n, f"text {n}"])
        connection.execute("CALL ducklake_merge_adjacent_files('lake', 't')")
        connection.execute("CALL ducklake_expire_snapshots('lake', older_than => now())")
        connection.execute("CALL ducklake_cleanup_old_files('lake', cleanup_all => true)")
        (size,) = connection.execute(
            "SELECT memory_usage_bytes FROM duckdb_memory() "
            "WHERE tag = 'EXTERNAL_FILE_CACHE'"
        ).fetchone()
        sizes.append(size)
    files = len(list(folder.glob("files/**/*.parquet")))
    print(f"cache {cache}: {files} files; {sizes[4]:,} bytes in memory after 5 merges,")
    print(f"  {sizes[9]:,} after 10, {sizes[-1]:,} after {MERGES}")
    return files, sizes


print("duckdb", duckdb.__version__)
files, kept = cached_after_merges("true")
_, without = cached_after_merges("false")
grows = kept[4] < kept[9] < kept[-1]
sys.exit(not (files <= 2 and grows and set(without) == {0}))
END
if "$work/venv/bin/python" "$work/try.py" "$work"; then
    echo "as described: contents of deleted files stay in memory"
else
    echo "changed: see above" >&2
    exit 1
fi
