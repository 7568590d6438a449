"""Every dataset's view over every historic table that is known of, column by column."""

from dataclasses import replace

import pytest

from command.tables_path import TablesPath
from pipeline.registry import Column, load_registry
from sql.apply import apply_tables
from sql.tables import dataset_table
from sql.views import historic
from sql.views.unified import unified_view

pytestmark = pytest.mark.integration

REGISTRY = load_registry()
WITH_HISTORY = [dataset for dataset in REGISTRY.values() if dataset.historic]
# More in one statement is slower than two statements.
DATASETS_PER_STATEMENT = 10
VALUES = {
    "INT64": "1",
    "FLOAT64": "1.5",
    "BOOL": "TRUE",
    "DATE": "DATE '2026-05-06'",
    "DATETIME": "DATETIME '2026-05-06 00:00:00'",
    "TIMESTAMP": "TIMESTAMP '2026-05-06 00:00:00+00'",
    "STRING": "'x'",
}
# Text that is to become something else.
TEXTS = {
    "DATE": "'2026-05-06T00:00:00'",
    "TIMESTAMP": "'2026-05-06T03:00:00.0000000+00:00'",
    "BOOL": "'true'",
    "RECORD": """'[{"startTime": "2026-05-06T03:00:00Z", "capacity": 1}]'""",
}


def value(found: Column, wanted: Column | None) -> str:
    if found.type == "RECORD":
        fields = (f"{value(f, None)} AS `{f.name}`" for f in found.fields)
        return f"STRUCT({', '.join(fields)})"
    if found.type == "STRING" and wanted and wanted.type in TEXTS:
        return TEXTS[wanted.type]
    return VALUES[found.type]


def tables_of(dataset, generation):
    """The declared tables; in the text generation every date and time is text."""
    for table in historic.declared_tables(dataset):
        if generation == "text":
            columns = tuple(
                Column(column.name, "STRING")
                if column.type in ("DATETIME", "TIMESTAMP")
                else column
                for column in table.columns
            )
            table = replace(table, columns=columns)
        yield table


def create(path, dataset, table):
    """A table with one row, all of whose columns hold something."""
    wanted = {column.name: column for column in dataset.columns}
    columns = ", ".join(
        f"{value(column, wanted.get(column.name))} AS `{column.name}`"
        for column in table.columns
    )
    return f"CREATE TABLE `{path}.{table.name}` AS SELECT {columns};"


def empty_columns(path, dataset, generation):
    """How many of its view's rows lack something that their table has."""
    tables = list(tables_of(dataset, generation))
    mappings = [historic.mapping(dataset, table) for table in tables]
    in_all = set.intersection(*({c.name for c in table.columns} for table in tables))
    held = " AND ".join(
        f"ARRAY_LENGTH(`{column.name}`) > 0"
        if column.mode == "REPEATED"
        else f"`{column.name}` IS NOT NULL"
        for column in dataset.columns
        if column.name in in_all
    )
    query = unified_view(dataset, path, mappings).query
    return (
        f"SELECT '{dataset.name}' AS name, COUNT(*) AS row_count, "
        f"COUNTIF({held} AND ingested_utc IS NULL AND extra IS NULL) AS whole "
        f"FROM ({query})"
    )


@pytest.mark.parametrize("generation", ["datetime", "text"])
def test_no_value_of_any_table_is_lost_on_its_way_to_the_view(client, generation):
    path = TablesPath("gb-iris", generation)
    apply_tables(client, generation, [dataset_table(d) for d in WITH_HISTORY], "EU")
    for start in range(0, len(WITH_HISTORY), DATASETS_PER_STATEMENT):
        part = WITH_HISTORY[start : start + DATASETS_PER_STATEMENT]
        script = [
            create(path, dataset, table)
            for dataset in part
            for table in tables_of(dataset, generation)
        ]
        client.query("\n".join(script)).result()
        queries = (empty_columns(path, dataset, generation) for dataset in part)
        for row in client.query_and_wait(" UNION ALL ".join(queries)):
            assert (row.row_count, row.whole) == (1, 1), row.name
