"""`python -m sql tables`: tables and views, or the columns of one."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.cloud import bigquery
from google.cloud.bigquery import SchemaField
from requests import RequestException

from command.text import size_text
from command.usage import FAILED, UsageError
from sql.connection import add_path_options, client_of, path_of
from sql.query.catalogue import Catalogue
from sql.query.formats import csv_line
from sql.query.job import Tables, is_local
from sql.query.mistakes import StatementFailedError, do_you_mean, explained
from sql.query.output_file import standard_output
from sql.query.question import format_of
from sql.query.statements import quoted
from sql.query.text_table import table_lines
from sql.query.values import json_text, plain, text

TABLE = "TABLE"
KINDS = {"MATERIALIZED_VIEW": "materialized view"}
FORMATS = ("table", "json", "csv")
# SQL's names, by those of BigQuery's API.
SQL_TYPES = {
    "INTEGER": "INT64",
    "FLOAT": "FLOAT64",
    "BOOLEAN": "BOOL",
    "RECORD": "STRUCT",
}
# The local BigQuery does not say when a table was last changed.
DESCRIPTION_WIDTH = 1_000
INGESTED = "ingested_utc"
LAST_SQL = "SELECT {number} AS number, MAX(ingested_utc) AS last FROM {name}"


class Wanted(NamedTuple):
    """What the user wants to see.

    Attributes:
        like: A part of names, or a whole name; None for all.
        format: A format of rows.
    """

    like: str | None
    format: str


class Listing(NamedTuple):
    """A few columns of plain values."""

    columns: list[SchemaField]
    rows: Sequence[Sequence[Any]]


def configure(parser: argparse.ArgumentParser) -> None:
    add_path_options(parser)
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "like",
        nargs="?",
        metavar="NAME",
        help="a part of names, such as freq; a whole name shows its columns "
        "(default: all tables and views)",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="the form of the list (default: a table in a terminal, else JSON lines)",
    )


def run(options: argparse.Namespace) -> int:
    return perform(prepare(options), Tables(client_of(options), path_of(options)))


def prepare(options: argparse.Namespace) -> Wanted:
    return Wanted(options.like, format_of(options.format))


def perform(wanted: Wanted, tables: Tables) -> int:
    """Prints the list; returns the exit code.

    Raises:
        UsageError: No name is like this.
    """
    catalogue = Catalogue(tables)
    try:
        listing = listing_of(wanted.like, catalogue, tables)
    except (GoogleAPICallError, RetryError, RequestException) as error:
        problem = explained(error, "", catalogue)
        if not isinstance(problem, StatementFailedError):
            raise problem from None
        print(f"cannot list the tables: {problem}", file=sys.stderr)
        return FAILED
    with standard_output() as stream:
        for line in lines(listing, wanted.format):
            stream.write(f"{line}\n".encode())
    return 0


def listing_of(like: str | None, catalogue: Catalogue, tables: Tables) -> Listing:
    """Tables and views whose names have a part, or the columns of one.

    Raises:
        UsageError: No name is like this.
    """
    items = catalogue.items()
    if like in items and (table := catalogue.table(like)):
        return columns_of(table)
    found = [name for name in items if (like or "").casefold() in name.casefold()]
    if like and not found:
        near = do_you_mean(like, items)
        raise UsageError(f"no table or view in {tables.path} has {like!r} in it{near}")
    return tables_of(found, catalogue, tables)


def tables_of(found: Iterable[str], catalogue: Catalogue, tables: Tables) -> Listing:
    """One row for each table and view; views have no rows of their own."""
    kinds = {name: catalogue.items()[name].table_type for name in found}
    stored = catalogue.tables(name for name, kind in kinds.items() if kind == TABLE)
    last = last_writes(stored, tables)
    by_name = {table.table_id: table for table in stored}
    rows = []
    for name, kind in sorted(kinds.items()):
        row: list[Any] = [name, KINDS.get(kind, kind.lower()), None, None, None]
        if table := by_name.get(name):
            size = size_text(table.num_bytes or 0)
            row[2:] = [table.num_rows, size, last.get(name)]
        rows.append(row)
    return Listing(
        [
            SchemaField("name", "STRING"),
            SchemaField("kind", "STRING"),
            SchemaField("rows", "INTEGER"),
            SchemaField("size", "STRING"),
            SchemaField("last_write", "TIMESTAMP"),
        ],
        rows,
    )


def last_writes(stored: Iterable[bigquery.Table], tables: Tables) -> dict[str, Any]:
    """When a row was written last, to the second, by the name of the table.

    The service knows it of every table. The local server is asked for the newest
    `ingested_utc`.
    """
    if not is_local():
        return {table.table_id: _to_second(table.modified) for table in stored}
    names = [
        table.table_id
        for table in stored
        if table.num_rows and any(field.name == INGESTED for field in table.schema)
    ]
    if not names:
        return {}
    sql = " UNION ALL ".join(
        LAST_SQL.format(number=number, name=quoted(name))
        for number, name in enumerate(names)
    )
    answered = tables.client.query_and_wait(
        sql, job_config=tables.config(), retry=None, job_retry=None
    )
    return {names[row.number]: _to_second(row.last) for row in answered}


def _to_second(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(microsecond=0)


def columns_of(table: bigquery.Table) -> Listing:
    """One row for each column, those of records under their path."""
    return Listing(
        [SchemaField(name, "STRING") for name in ("column", "type", "description")],
        list(_columns(table.schema or ())),
    )


def _columns(fields: Iterable[SchemaField], path: str = "") -> Iterator[Sequence[Any]]:
    for field in fields:
        name = f"{path}{field.name}"
        yield name, type_of(field), field.description or ""
        yield from _columns(field.fields, f"{name}.")


def type_of(field: SchemaField) -> str:
    """The type as SQL writes it; the fields of a STRUCT have lines of their own."""
    kind = SQL_TYPES.get(field.field_type, field.field_type)
    return f"ARRAY<{kind}>" if field.mode == "REPEATED" else kind


def lines(listing: Listing, form: str) -> Iterator[str]:
    """The list as lines of a format."""
    names = [field.name for field in listing.columns]
    rows = [[plain(value) for value in row] for row in listing.rows]
    if form == "json":
        for row in rows:
            yield json_text(dict(zip(names, row, strict=True)))
    elif form == "csv":
        yield csv_line(names).rstrip("\n")
        for row in rows:
            yield csv_line(map(text, row)).rstrip("\n")
    else:
        # A terminal wraps a long description, which is read to its end.
        yield from table_lines(listing.columns, rows, cell_width=DESCRIPTION_WIDTH)
