"""`python -m sql apply`: brings a BigQuery dataset to what it is to be.

Tables are made, columns added, and a column is widened where the registry asks for a
type that holds all of its values; nothing is dropped or changed otherwise. Views are
made from what the user's historic tables really have, and made anew when that, or
what they are to be, has changed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery
from google.cloud.bigquery.table import TableListItem

from pipeline.core.values import EXACT_FLOAT
from pipeline.registry import Registry, load_registry
from sql import tables
from sql.place import add_place_options, client_of, existing_tables
from sql.schemas import Merged, merged_schema, type_text
from sql.tables import Table
from sql.templates import quoted
from sql.views import definitions, historic
from sql.views.definitions import View

# Reading the schema of a table is one short request each.
PARALLEL_REQUESTS = 8
# A view takes a second or so. A script spares the way there and back; one that is too
# long is slow in the local BigQuery, which keeps its text with each statement.
VIEWS_PER_SCRIPT = 10


@dataclass(slots=True)
class Outcome:
    """What was done.

    Attributes:
        created: Tables and views made.
        extended: Tables with the columns added to them.
        widened: Tables with the columns that have a wider type now.
        replaced: Views made anew.
        unchanged: Tables and views that were as they are to be.
        conflicts: What stands in the way, one line each; it was left alone.
        histories: Historic tables that the views read.
        notes: What else the user should know, one line each.
    """

    created: list[str] = field(default_factory=list)
    extended: dict[str, list[str]] = field(default_factory=dict)
    widened: dict[str, list[str]] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    histories: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add_place_options(parser)
    parser.add_argument(
        "--location",
        default="EU",
        help="where a new dataset lives (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Brings tables and views about, and says what was done; 1 on a conflict."""
    client, registry = client_of(options), load_registry()
    wanted = list(tables.all_tables(registry))
    made = apply_tables(client, options.dataset, wanted, options.location)
    _report("tables", made)
    seen = apply_views(client, options.dataset, registry)
    _report("views", seen)
    return 1 if made.conflicts or seen.conflicts else 0


def _report(what: str, outcome: Outcome) -> None:
    for name, columns in outcome.extended.items():
        sys.stdout.write(f"{name}: added {', '.join(columns)}\n")
    for name, columns in outcome.widened.items():
        sys.stdout.write(f"{name}: {', '.join(columns)} widened to FLOAT64\n")
    if outcome.histories:
        sys.stdout.write(f"history: {', '.join(outcome.histories)}\n")
    for note in outcome.notes:
        sys.stdout.write(f"note: {note}\n")
    counts = (
        f"{len(names)} {verb}"
        for verb, names in (
            ("created", outcome.created),
            ("extended", outcome.extended),
            ("widened", outcome.widened),
            ("replaced", outcome.replaced),
            ("unchanged", outcome.unchanged),
        )
        if names
    )
    sys.stdout.write(f"{what}: {', '.join(counts) or 'none'}\n")
    sys.stdout.flush()
    for conflict in outcome.conflicts:
        sys.stderr.write(f"left as it is: {conflict}\n")


def apply_tables(
    client: bigquery.Client, dataset: str, wanted: Sequence[Table], location: str
) -> Outcome:
    """Makes or extends the tables of a dataset, which is made, too, if need be.

    Args:
        client: The client; its project holds the dataset.
        dataset: The BigQuery dataset.
        wanted: What the tables are to be.
        location: Where a new dataset is to live (`EU`, `europe-west2`, ...).

    Raises:
        google.api_core.exceptions.GoogleAPICallError: BigQuery refused.
    """
    place = f"{client.project}.{dataset}"
    described = bigquery.Dataset(place)
    described.location = location
    client.create_dataset(described, exists_ok=True)
    existing = existing_tables(client, place)
    outcome = Outcome()
    missing = [table for table in wanted if table.name not in existing]
    if missing:
        script = "\n".join(tables.create_statement(table, place) for table in missing)
        client.query(script).result()
        outcome.created = [table.name for table in missing]
    present = [table for table in wanted if table.name in existing]
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as threads:
        merged = threads.map(lambda t: extend(client, place, t), present)
        for table, schema in zip(present, merged, strict=True):
            _note_table(outcome, table.name, schema)
    return outcome


def _note_table(outcome: Outcome, name: str, merged: Merged) -> None:
    outcome.conflicts += [f"{name}.{conflict}" for conflict in merged.conflicts]
    outcome.notes += [
        f"{name}.{path} is not in the registry: it stays, and no view shows it"
        for path in merged.surplus
    ]
    if merged.added:
        outcome.extended[name] = merged.added
    if merged.widened:
        outcome.widened[name] = merged.widened
    if not (merged.added or merged.widened or merged.conflicts):
        outcome.unchanged.append(name)


def extend(client: bigquery.Client, place: str, table: Table) -> Merged:
    """Adds missing columns to a table that exists, and widens those too narrow."""
    found = client.get_table(f"{place}.{table.name}")
    merged = merged_schema(found.schema, table.columns)
    if merged.added:
        found.schema = merged.schema
        client.update_table(found, ["schema"])
    for column in merged.schema:
        paths = [p for p in merged.widened if p.partition(".")[0] == column.name]
        if paths and (conflict := _widen(client, found, column, paths)):
            merged.conflicts.append(conflict)
            merged.widened = [path for path in merged.widened if path not in paths]
    return merged


def _widen(
    client: bigquery.Client,
    table: bigquery.Table,
    column: bigquery.SchemaField,
    paths: Sequence[str],
) -> str:
    """Widens a column, or fields of it; gives what stands in the way, if anything."""
    shown = ", ".join(paths)
    if column.name in (table.clustering_fields or ()):
        return f"{shown} should be FLOAT64, by which BigQuery clusters no table"
    name = quoted(str(table.reference))
    kind = type_text(column, paths)
    statement = (
        f"ALTER TABLE {name} ALTER COLUMN {quoted(column.name)} SET DATA TYPE {kind}"
    )
    try:
        if _has_inexact(client, name, paths):
            return f"{shown} has integers beyond 2^53, which FLOAT64 would round"
        client.query(statement).result()
    except GoogleAPICallError as error:
        return f"{shown} should be FLOAT64: {_first_line(error)}"
    return ""


def _has_inexact(client: bigquery.Client, name: str, paths: Sequence[str]) -> bool:
    """Whether a column holds an integer that FLOAT64 cannot."""
    beyond = " OR ".join(
        f"{'.'.join(map(quoted, path.split('.')))} "
        f"NOT BETWEEN {-EXACT_FLOAT} AND {EXACT_FLOAT}"
        for path in paths
    )
    # Names come from the table's own schema.
    sql = f"SELECT COUNTIF({beyond}) AS found FROM {name}"  # noqa: S608
    (row,) = client.query(sql).result()
    return bool(row.found)


def apply_views(
    client: bigquery.Client,
    dataset: str,
    registry: Registry,
    whole: Registry | None = None,
) -> Outcome:
    """Makes the views and functions of a dataset, or anew those that have changed.

    Args:
        client: The client; its project holds the dataset.
        dataset: The BigQuery dataset; it has the `_iris` tables.
        registry: The datasets whose views are to be made.
        whole: All datasets that are known, where those are not all.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: BigQuery refused.
    """
    place = f"{client.project}.{dataset}"
    existing = {item.table_id: item for item in client.list_tables(place)}
    histories = find_histories(client, place, registry, existing)
    outcome = Outcome()
    for mappings in histories.values():
        for mapping in mappings:
            outcome.histories.append(mapping.table.name)
            outcome.notes += mapping.notes
    waiting = []
    views = [
        *definitions.all_views(registry, place, histories),
        *_held_view(whole or registry, place, existing),
    ]
    for view in views:
        item = existing.get(view.name)
        if item and item.table_type != "VIEW":
            outcome.conflicts.append(f"{view.name} is a {item.table_type}, no view")
        elif item and item.labels.get(definitions.LABEL) == view.fingerprint:
            outcome.unchanged.append(view.name)
        else:
            waiting.append(view)
    for view, error in _create(client, place, waiting):
        if error:
            outcome.conflicts.append(f"{view.name}: {error}")
        elif view.name in existing:
            outcome.replaced.append(view.name)
        else:
            outcome.created.append(view.name)
    _apply_functions(client, place, registry, outcome)
    return outcome


def _held_view(
    registry: Registry, place: str, existing: Mapping[str, TableListItem]
) -> Iterator[View]:
    """`iris_held`, over those tables that are there."""
    if all(name in existing for name in definitions.HELD_SOURCES):
        there = [each for each in registry.values() if each.table in existing]
        yield definitions.held_view(Registry(there), place)


def _apply_functions(
    client: bigquery.Client, place: str, registry: Registry, outcome: Outcome
) -> None:
    existing = {
        r.reference.routine_id: r.reference for r in client.list_routines(place)
    }
    for function in definitions.all_functions(registry, place):
        there = existing.get(function.name)
        if there and client.get_routine(there).description == function.documentation:
            outcome.unchanged.append(function.name)
            continue
        try:
            client.query(
                definitions.create_function_statement(function, place)
            ).result()
        except GoogleAPICallError as error:
            outcome.conflicts.append(f"{function.name}: {_first_line(error)}")
        else:
            (outcome.replaced if there else outcome.created).append(function.name)


def find_histories(
    client: bigquery.Client,
    place: str,
    registry: Registry,
    existing: dict[str, TableListItem],
) -> dict[str, list[historic.Mapping]]:
    """Maps the historic tables that exist, by dataset."""
    found = [
        (dataset, name)
        for dataset in registry.values()
        for name in historic.names_of(dataset)
        if name in existing
    ]
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as threads:
        schemas = threads.map(lambda f: client.get_table(f"{place}.{f[1]}"), found)
        histories: dict[str, list[historic.Mapping]] = {}
        for (dataset, _), table in zip(found, schemas, strict=True):
            mapping = historic.mapping(dataset, historic.found_table(table))
            histories.setdefault(dataset.name, []).append(mapping)
    return histories


def _create(
    client: bigquery.Client, place: str, wanted: Sequence[View]
) -> Iterator[tuple[View, str]]:
    """Makes views; gives each with BigQuery's words, empty where it has none."""
    for start in range(0, len(wanted), VIEWS_PER_SCRIPT):
        part = wanted[start : start + VIEWS_PER_SCRIPT]
        if not _refusal(client, place, part):
            yield from ((view, "") for view in part)
        else:
            # One of them is at fault: each by itself tells which.
            yield from ((view, _refusal(client, place, [view])) for view in part)


def _first_line(error: GoogleAPICallError) -> str:
    return str(error.message).splitlines()[0]


def _refusal(client: bigquery.Client, place: str, part: Sequence[View]) -> str:
    """Makes views; gives BigQuery's words if it refuses, else nothing."""
    script = "\n".join(definitions.create_statement(view, place) for view in part)
    try:
        client.query(script).result()
    except GoogleAPICallError as error:
        return _first_line(error)
    return ""
