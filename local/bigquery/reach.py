"""Reach: what statements and jobs may touch of this machine: the server's own folder.

GoogleSQL has no function that reads a file, and `googlesql.refusals` refuses those of
DuckDB. These are the walls behind it: DuckDB opens no file outside the folder and no
connection, and a bucket's objects are files in `gcs/` there.
"""

from typing import Any

from local_bigquery.errors import BigQueryError
from local_bigquery.jobs import storage
from local_bigquery.settings import settings

BUCKETS = "gcs"
SCHEME = "gs://"
# Later none can be loaded. Those for connections and for places, httpfs and spatial,
# are not installed.
EXTENSIONS = ("ducklake", "icu")


def confine(connection: Any) -> None:
    """Closes DuckDB: no file elsewhere, no network, and no setting that opens it."""
    for name in EXTENSIONS:
        connection.execute(f"LOAD {name}")
    folder = storage.literal(str(settings.data_dir.resolve()))
    connection.execute(f"SET allowed_directories = [{folder}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def object_file(uri: str) -> str:
    """The file of an object, `gs://BUCKET/OBJECT`.

    Raises:
        BigQueryError: It is another address, or leads out of the buckets.
    """
    buckets = settings.data_dir / BUCKETS
    path = buckets / uri.removeprefix(SCHEME)
    inside = path.resolve().is_relative_to(buckets.resolve())
    if not uri.startswith(SCHEME) or not inside or path == buckets:
        raise BigQueryError(
            "invalid",
            f"Invalid URI: {uri}; use gs://BUCKET/OBJECT, a file in {_shown()}",
        )
    return str(path)


def _shown() -> object:
    return settings.data_dir.resolve() / BUCKETS


def install() -> None:
    """Puts it in place of what reads any path."""
    storage._local = object_file
    # Objects of another server would be reached over the network.
    settings.storage_emulator_host = settings.gcs_local_root = None
