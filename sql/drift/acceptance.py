"""Adds unknown fields and datasets: first to the registry, then to the tables."""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from google.api_core.exceptions import GoogleAPIError
from google.cloud import bigquery
from requests.exceptions import RequestException

from command.tables_path import TablesPath
from command.text import first_line, listed
from command.usage import UsageError
from pipeline.registry import Column, Dataset, Registry, read_registry
from sql.apply.outcome import Outcome
from sql.apply.tables import apply_tables
from sql.apply.views import apply_views
from sql.drift.registry_file import replace_file, with_column
from sql.drift.unknown_datasets import UnknownDataset
from sql.drift.unknown_fields import UnknownField
from sql.tables import dataset_table

MAX_LISTED = 5


class TablesBehindError(RuntimeError):
    """The registry has the columns, but BigQuery does not; the cause says why."""


@dataclass(slots=True)
class Selection:
    """What the user selected to be added.

    Attributes:
        fields: Unknown fields.
        new: Unknown datasets.
        known: Datasets that the registry already has, or of which it has the selected
            field: their tables may not be up to date.
    """

    fields: list[UnknownField] = field(default_factory=list)
    new: list[UnknownDataset] = field(default_factory=list)
    known: list[Dataset] = field(default_factory=list)

    @property
    def datasets(self) -> list[str]:
        """The names of all datasets of the selection."""
        names = [each.dataset for each in self.fields]
        names += [each.name for each in self.new]
        names += [each.name for each in self.known]
        return list(dict.fromkeys(names))


def check_folder(folder: Path) -> None:
    """Refuses a registry that is not a checkout.

    Raises:
        UsageError: It belongs to an installed package, or cannot be written.
    """
    installed = {"site-packages", "dist-packages"} & set(folder.parts)
    if installed or not os.access(folder, os.W_OK):
        raise UsageError(
            f"{folder} is not a writable checkout: run it in a clone of the repository"
        )


def selection_of(
    wanted: Sequence[str],
    registry: Registry,
    fields: Sequence[UnknownField],
    new: Sequence[UnknownDataset],
) -> Selection:
    """Finds what the user names: `REMIT.newField`, `newField`, or a new dataset.

    Raises:
        UsageError: There is no such field, there are several, or it has a problem.
    """
    unknown: dict[str, UnknownField | UnknownDataset] = {
        f"{each.dataset}.{_plain(each.field)}": each for each in fields
    }
    unknown |= {each.name: each for each in new}
    known = {
        f"{each.name}{path}": each
        for each in registry.values()
        for path in ("", *_paths(each.columns))
    }
    selection = Selection()
    for name in dict.fromkeys(map(_plain, wanted)):
        full = _full_name(name, [*unknown], [*known])
        target = unknown.get(full) or known[full]
        if isinstance(target, Dataset):
            selection.known.append(target)
        elif target.problem:
            raise UsageError(f"{full} cannot be added: {target.problem}")
        elif isinstance(target, UnknownDataset):
            selection.new.append(target)
        elif target not in selection.fields:
            selection.fields.append(target)
    return selection


def _plain(name: str) -> str:
    return name.replace("[]", "")


def _paths(columns: Sequence[Column], path: str = "") -> list[str]:
    """The paths of all columns, `.outageProfile.capacity`."""
    paths = []
    for column in columns:
        here = f"{path}.{column.name}"
        paths += [here, *_paths(column.fields, here)]
    return paths


def _full_name(name: str, unknown: list[str], known: list[str]) -> str:
    for names in (unknown, known):
        found = [name] if name in names else []
        found = found or [full for full in names if full.partition(".")[2] == name]
        if len(found) > 1:
            choice = listed(found, MAX_LISTED)
            raise UsageError(f"{name!r} may mean {choice}: name one of them")
        if found:
            return found[0]
    by_text = {full.partition(".")[2]: full for full in unknown}
    by_text |= {full: full for full in unknown}
    near = difflib.get_close_matches(name, by_text, MAX_LISTED)
    close = list(dict.fromkeys(by_text[text] for text in near)) or unknown
    names_there = listed(close, MAX_LISTED)
    advice = f"there is {names_there}" if close else "nothing is unknown"
    raise UsageError(f"no unknown field or dataset is called {name!r}: {advice}")


def write_registry(selection: Selection, folder: Path) -> list[str]:
    """Writes the selection into the registry's files; returns their names.

    Every text is checked before the first file is replaced.

    Raises:
        RegistryError: A file cannot be extended.
        UsageError: The folder cannot be written.
    """
    texts = {f"{each.name}.yaml": each.text for each in selection.new}
    for each in selection.fields:
        name = f"{each.dataset}.yaml"
        text = texts.get(name) or (folder / name).read_bytes().decode()
        if each.column is not None:
            texts[name] = with_column(name, text, each.names[:-1], each.column)
    for name, text in texts.items():
        try:
            replace_file(folder / name, text)
        except OSError as error:
            raise UsageError(f"{folder / name} cannot be written: {error}") from error
    return list(texts)


def update_tables(
    client: bigquery.Client, path: TablesPath, selection: Selection, folder: Path
) -> Outcome:
    """Creates or extends the tables, as the registry now says, and their views.

    Raises:
        TablesBehindError: BigQuery refused.
    """
    registry = read_registry(folder)
    concerned = [registry[name] for name in selection.datasets]
    tables = [dataset_table(each) for each in concerned]
    try:
        location = client.get_dataset(str(path)).location
        outcome = apply_tables(client, path.dataset, tables, location)
        views = apply_views(client, path.dataset, Registry(concerned), registry)
    except (GoogleAPIError, RequestException) as error:
        raise TablesBehindError(first_line(error)) from error
    outcome.created += views.created
    outcome.replaced += views.replaced
    outcome.conflicts += views.conflicts
    return outcome
