"""Tables with a day and a morning of the demo, as of a fixed instant."""

import datetime as dt
from collections.abc import Collection
from pathlib import Path

from google.cloud import bigquery

from command.tables_path import DATASET
from local.simulator.demo import Demo
from pipeline.command import main
from pipeline.registry import Registry, load_registry
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables

NOON = dt.datetime(2026, 5, 6, 11, tzinfo=dt.UTC)


def store_demo(
    client: bigquery.Client,
    folder: Path,
    sent: Collection[str],
    empty: Collection[str] = (),
) -> None:
    """Makes tables and views, and stores what the demo has sent by noon of 6 May.

    Args:
        client: Of the local BigQuery.
        folder: An empty one, for the messages.
        sent: These datasets.
        empty: Datasets whose tables stay empty.
    """
    registry = Registry([load_registry()[name] for name in (*sent, *empty)])
    client.create_dataset(DATASET)
    apply_tables(client, DATASET, list(all_tables(registry)), "EU")
    assert apply_views(client, DATASET, registry).conflicts == []
    for _, sample in Demo(clock=lambda: int(NOON.timestamp())).backlog():
        if sample.dataset in sent:
            path = folder / sample.dataset / sample.message_id
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(sample.payload)
    options = ["--project", client.project, "--dataset", DATASET]
    assert main(["--files", str(folder), *options]) == 0
