"""Views and table functions: made, and replaced where they are out of date."""

from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery
from google.cloud.bigquery.table import TableListItem

from command.tables_path import TablesPath
from command.text import first_line
from pipeline.registry import Registry
from sql.apply import conflicts
from sql.apply.outcome import Outcome
from sql.connection import PARALLEL_REQUESTS
from sql.histories import Choice, find_histories
from sql.market import catalogue
from sql.tables import REFERENCE_UNITS
from sql.views import historic
from sql.views.all_views import all_functions, all_views
from sql.views.held import HELD_SOURCES, held_view
from sql.views.view import (
    LABEL,
    Function,
    View,
    create_function_statement,
    create_statement,
)

# Creating a view takes about a second. A script saves round trips, but a long one is
# slow in the local BigQuery, which keeps the whole text with each statement.
VIEWS_PER_SCRIPT = 10


def apply_views(
    client: bigquery.Client,
    dataset: str,
    registry: Registry,
    whole: Registry | None = None,
    choices: Sequence[Choice] = (),
) -> Outcome:
    """Creates the views and functions of a dataset; replaces those that have changed.

    Args:
        client: The client; its project holds the dataset.
        dataset: The BigQuery dataset; it has the `_iris` tables.
        registry: The datasets whose views are made.
        whole: The whole registry, if `registry` is a part of it.
        choices: What the user says of the times of historic tables.

    Raises:
        UsageError: A choice names a table or column that does not exist.
        google.api_core.exceptions.GoogleAPICallError: BigQuery refused.
    """
    path = TablesPath(client.project, dataset)
    existing = {item.table_id: item for item in client.list_tables(str(path))}
    outcome = Outcome()
    mappings: dict[str, list[historic.Mapping]] = {name: [] for name in registry}
    for history in find_histories(client, path, registry, existing, choices):
        mapping = history.mapping
        mappings[history.dataset.name].append(mapping)
        outcome.histories.append(history.table.name)
        outcome.notes += [*mapping.notes, *history.notes(path)]
    waiting = []
    market, market_functions = _market(whole or registry, path, existing, mappings)
    views = [
        *all_views(registry, path, mappings),
        *_held_view(whole or registry, path, existing),
        *market,
    ]
    for view in views:
        item = existing.get(view.name)
        if item and item.table_type != "VIEW":
            outcome.conflicts.append(
                f"{view.name} is a {item.table_type}, not a view: rename or drop it"
            )
        elif item and item.labels.get(LABEL) == view.fingerprint:
            outcome.unchanged.append(view.name)
        else:
            waiting.append(view)
    _make(client, path, waiting, existing, outcome)
    functions = [*all_functions(registry, path, mappings), *market_functions]
    _apply_functions(client, path, functions, outcome)
    return outcome


def _held_view(
    registry: Registry, path: TablesPath, existing: Mapping[str, TableListItem]
) -> Iterator[View]:
    """`iris_held`, over the tables that exist."""
    if all(name in existing for name in HELD_SOURCES):
        there = [each for each in registry.values() if each.table in existing]
        yield held_view(Registry(there), path)


def _market(
    registry: Registry,
    path: TablesPath,
    existing: Mapping[str, TableListItem],
    histories: Mapping[str, Sequence[historic.Mapping]],
) -> tuple[list[View], list[Function]]:
    """The market views and functions, over the tables that exist."""
    if REFERENCE_UNITS.name not in existing:
        return [], []
    there = Registry([each for each in registry.values() if each.table in existing])
    return [*catalogue.market_views(there, path)], [
        *catalogue.market_functions(there, path, histories)
    ]


def _apply_functions(
    client: bigquery.Client,
    path: TablesPath,
    functions: Sequence[Function],
    outcome: Outcome,
) -> None:
    listed = {
        r.reference.routine_id: r.reference for r in client.list_routines(str(path))
    }
    names = [function.name for function in functions if function.name in listed]
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as threads:
        routines = threads.map(lambda name: client.get_routine(listed[name]), names)
        existing = dict(zip(names, (r.description for r in routines), strict=True))
    waiting = []
    for function in functions:
        if existing.get(function.name) == function.documentation:
            outcome.unchanged.append(function.name)
        else:
            waiting.append(function)
    _make(client, path, waiting, existing, outcome)


def _make(
    client: bigquery.Client,
    path: TablesPath,
    waiting: Sequence[View] | Sequence[Function],
    existing: Container[str],
    outcome: Outcome,
) -> None:
    """Creates or replaces views or functions, and notes what became of each."""
    for made, error in _create(client, path, waiting):
        if error:
            outcome.conflicts.append(f"{made.name}: {error}")
        elif made.name in existing:
            outcome.replaced.append(made.name)
        else:
            outcome.created.append(made.name)


def _create(
    client: bigquery.Client,
    path: TablesPath,
    wanted: Sequence[View] | Sequence[Function],
) -> Iterator[tuple[View | Function, str]]:
    """Creates views or functions; yields each with BigQuery's error, or with none."""
    for start in range(0, len(wanted), VIEWS_PER_SCRIPT):
        part = wanted[start : start + VIEWS_PER_SCRIPT]
        if not _refusal(client, path, part):
            yield from ((made, "") for made in part)
        else:
            # One of them is wrong: each alone shows which.
            yield from ((made, _refusal(client, path, [made])) for made in part)


def _refusal(
    client: bigquery.Client, path: TablesPath, part: Sequence[View | Function]
) -> str:
    """Creates views or functions; returns BigQuery's error, or an empty text."""
    statements = "\n".join(
        create_statement(made, path)
        if isinstance(made, View)
        else create_function_statement(made, path)
        for made in part
    )
    try:
        conflicts.run(client, statements)
    except GoogleAPICallError as error:
        return first_line(error)
    return ""
