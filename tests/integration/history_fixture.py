"""Historic tables from the files that we keep, beside IRIS rows from the pipeline."""

import json
from pathlib import Path

from apache_beam.testing import test_pipeline
from google.cloud import bigquery

from pipeline.bigquery.warehouse import Warehouse
from pipeline.graph import Plan, build
from pipeline.registry import Registry, load_registry
from pipeline.steps.sources import ReadFiles
from pipeline.steps.write_rows import WriteRows
from sql.apply import apply_tables
from sql.tables import all_tables

FIXTURES = Path(__file__).parents[1] / "fixtures"


def registry_of(*names: str) -> Registry:
    """The registry as if it had these datasets alone."""
    return Registry([load_registry()[name] for name in names])


def make_history(client: bigquery.Client, dataset: str, generation: str) -> None:
    """Makes and fills the historic tables of a generation."""
    client.create_dataset(dataset, exists_ok=True)
    for file in sorted((FIXTURES / "historic" / generation).glob("*.json")):
        table = json.loads(file.read_text())
        columns = ", ".join(f"`{n}` {kind}" for n, kind in table["schema"].items())
        name = f"{client.project}.{dataset}.{file.stem}"
        client.query_and_wait(f"CREATE TABLE `{name}` ({columns})")
        client.load_table_from_json(
            table["rows"],
            name,
            job_config=bigquery.LoadJobConfig(
                schema=client.get_table(name).schema,
                write_disposition="WRITE_APPEND",
            ),
        ).result()


def make_iris(
    client: bigquery.Client, dataset: str, registry: Registry, folder: str = "iris"
) -> None:
    """Makes the tables, and sends kept messages through the pipeline."""
    apply_tables(client, dataset, list(all_tables(registry)), "EU")
    warehouse = Warehouse(client.project, dataset)
    with test_pipeline.TestPipeline(runner="FnApiRunner") as pipeline:
        source = ReadFiles(str(FIXTURES / folder / "*" / "*"))
        rows = WriteRows(warehouse.insert)
        build(pipeline, Plan(source, "by_grouping", 24, rows, warehouse.insert))
