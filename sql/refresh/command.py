"""`python -m sql refresh`: resolves what has arrived since the last run.

The views `bmrs_mels_resolved` and `bmrs_mils_resolved` show which declaration is in
force at each instant. What this command has resolved, they read from a table, and
resolve only the rest: they are right at every moment, and fast after a run. Only the
units and times of new declarations are resolved again. Each dataset is one statement:
whenever the command is ended, a table is as before or up to date, and two runs at the
same time do no harm.
"""

import argparse
import time
from collections.abc import Callable, Iterator

from google.api_core.exceptions import NotFound
from google.cloud import bigquery
from google.cloud.bigquery.table import TableListItem
from rich.console import Console

from command.tables_path import TablesPath
from command.usage import UsageError
from pipeline.registry import Registry, load_registry
from sql.connection import add_path_options, client_of, path_of
from sql.histories import find_histories
from sql.refresh.resolution import Changes, Resolution
from sql.tables import RESOLVED
from sql.views import historic
from sql.views.resolved import resolved_view
from sql.views.view import LABEL


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (__doc__ or "").partition(": ")[2]
    add_path_options(parser)
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="resolve everything again, as after rows of a table were changed by hand",
    )


def run(options: argparse.Namespace) -> int:
    """Brings the tables up to date, and reports what was done."""
    client, path = client_of(options), path_of(options)
    with Console(stderr=True).status("") as progress:
        for line in refresh(client, path, rebuild=options.rebuild, say=progress.update):
            print(line, flush=True)
    return 0


def refresh(
    client: bigquery.Client,
    path: TablesPath,
    *,
    rebuild: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Brings the tables up to date; returns what was done, one line each.

    Args:
        client: The client.
        path: Where the tables are.
        rebuild: Whether to resolve everything again.
        say: Shows what is being done.

    Raises:
        UsageError: A view does not exist, or is not up to date.
    """
    lines = []
    for resolution in resolutions(client, path, rebuild=rebuild):
        say(f"{resolution.view}: looking for new declarations")
        changes = resolution.changes(client)
        say(f"{resolution.view}: {_what(changes)}")
        lines.append(f"{resolution.view}: {_done(client, resolution, changes)}")
    return lines


def resolutions(
    client: bigquery.Client, path: TablesPath, *, rebuild: bool = False
) -> list[Resolution]:
    """The resolutions of a BigQuery dataset, one for each view.

    Args:
        client: The client.
        path: Where the tables are.
        rebuild: Whether to resolve everything again.

    Raises:
        UsageError: A view does not exist, or is not up to date.
    """
    registry = Registry([load_registry()[name] for name in RESOLVED])
    existing = {item.table_id: item for item in _listed(client, path)}
    found: dict[str, list[historic.Mapping]] = {name: [] for name in registry}
    for history in find_histories(client, path, registry, existing):
        found[history.dataset.name].append(history.mapping)
    made = []
    for name, dataset in registry.items():
        view = resolved_view(dataset, path, found[name])
        item = existing.get(view.name)
        if item is None or item.labels.get(LABEL) != view.fingerprint:
            problem = "is not up to date" if item else "does not exist"
            raise UsageError(
                f"{view.name} {problem}: run `python -m sql apply --project "
                f"{path.project} --dataset {path.dataset}`"
            )
        made.append(Resolution.of(dataset, path, found[name], rebuild=rebuild))
    return made


def _listed(client: bigquery.Client, path: TablesPath) -> Iterator[TableListItem]:
    try:
        yield from client.list_tables(str(path))
    except NotFound:
        return


def _done(client: bigquery.Client, resolution: Resolution, changes: Changes) -> str:
    """Brings the table up to date, unless nothing is new; returns what was done."""
    if not changes.units:
        return "nothing new"
    began = time.monotonic()
    resolution.update(client)
    return f"{_what(changes)}, in {time.monotonic() - began:.1f} s"


def _what(changes: Changes) -> str:
    if changes.from_utc is None or changes.to_utc is None:
        return "nothing new"
    units = "1 unit" if changes.units == 1 else f"{changes.units:,} units"
    times = [f"{time:%Y-%m-%d %H:%M}" for time in (changes.from_utc, changes.to_utc)]
    return f"{units} resolved again from {times[0]} to {times[1]}"
