"""Views and table functions: made, and replaced where they are out of date."""

from collections.abc import Iterator, Mapping, Sequence

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery
from google.cloud.bigquery.table import TableListItem

from command.tables_path import TablesPath
from command.text import first_line
from pipeline.registry import Registry
from sql.apply.outcome import Outcome
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
    mappings: dict[str, list[historic.Mapping]] = {}
    for history in find_histories(client, path, registry, existing, choices):
        mapping = history.mapping
        mappings.setdefault(history.dataset.name, []).append(mapping)
        outcome.histories.append(history.table.name)
        outcome.notes += [*mapping.notes, *history.notes(path)]
    waiting = []
    market, market_functions = _market(whole or registry, path, existing)
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
    for view, error in _create(client, path, waiting):
        if error:
            outcome.conflicts.append(f"{view.name}: {error}")
        elif view.name in existing:
            outcome.replaced.append(view.name)
        else:
            outcome.created.append(view.name)
    functions = [*all_functions(registry, path), *market_functions]
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
    registry: Registry, path: TablesPath, existing: Mapping[str, TableListItem]
) -> tuple[list[View], list[Function]]:
    """The market views and functions, over the tables that exist."""
    if REFERENCE_UNITS.name not in existing:
        return [], []
    there = Registry([each for each in registry.values() if each.table in existing])
    return [*catalogue.market_views(there, path)], [
        *catalogue.market_functions(there, path)
    ]


def _apply_functions(
    client: bigquery.Client,
    path: TablesPath,
    functions: Sequence[Function],
    outcome: Outcome,
) -> None:
    existing = {
        r.reference.routine_id: r.reference for r in client.list_routines(str(path))
    }
    for function in functions:
        there = existing.get(function.name)
        if there and client.get_routine(there).description == function.documentation:
            outcome.unchanged.append(function.name)
            continue
        try:
            client.query(create_function_statement(function, path)).result()
        except GoogleAPICallError as error:
            outcome.conflicts.append(f"{function.name}: {first_line(error)}")
        else:
            (outcome.replaced if there else outcome.created).append(function.name)


def _create(
    client: bigquery.Client, path: TablesPath, wanted: Sequence[View]
) -> Iterator[tuple[View, str]]:
    """Creates views; yields each with BigQuery's error, or with an empty text."""
    for start in range(0, len(wanted), VIEWS_PER_SCRIPT):
        part = wanted[start : start + VIEWS_PER_SCRIPT]
        if not _refusal(client, path, part):
            yield from ((view, "") for view in part)
        else:
            # One of them is wrong: each alone shows which.
            yield from ((view, _refusal(client, path, [view])) for view in part)


def _refusal(client: bigquery.Client, path: TablesPath, part: Sequence[View]) -> str:
    """Creates views; returns BigQuery's error, or an empty text."""
    script = "\n".join(create_statement(view, path) for view in part)
    try:
        client.query(script).result()
    except GoogleAPICallError as error:
        return first_line(error)
    return ""
