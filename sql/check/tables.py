"""Tables: every one that `python -m sql apply` creates exists."""

from collections.abc import Iterator

from sql.check.context import Context, Result, Status
from sql.tables import all_tables

NAME = "tables"
ADVICE = "run `python -m sql apply`"


def check(context: Context) -> Iterator[Result]:
    """A missing table is a failure; all other checks leave it out."""
    owners = {dataset.table: dataset.name for dataset in context.registry.values()}
    for table in all_tables(context.registry):
        there = table.name in context.tables
        yield Result(
            NAME,
            owners.get(table.name, table.name),
            Status.OK if there else Status.FAIL,
            int(there),
            "tables",
            table.name if there else f"no table {table.name}: {ADVICE}",
        )
