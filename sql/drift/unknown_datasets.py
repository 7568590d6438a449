"""The datasets that IRIS sends and the registry does not know: `iris_unmapped`."""

import json
from dataclasses import dataclass, field
from typing import Any

from google.cloud import bigquery

from command.tables_path import TablesPath
from pipeline.core.decoding import (
    NO_SUBJECT,
    MessageRefused,
    dataset_inside,
    parse_exactly,
    unpack,
)
from pipeline.core.identity import canonical_json
from pipeline.core.inference import Samples
from pipeline.core.values import ValueRefused
from pipeline.registry import (
    METADATA_COLUMNS,
    Column,
    Dataset,
    Registry,
    RegistryError,
    parse_dataset,
)
from sql.connection import existing_tables
from sql.drift.registry_file import dataset_text
from sql.drift.unknown_fields import shown_name
from sql.tables import UNMAPPED
from sql.templates import fill

# The names of event times in the registry, most used first.
EVENT_TIMES = (
    *("publishTime", "createdDateTime", "createdTime", "measurementTime"),
    *("acceptanceTime", "time", "startTime", "timeFrom", "timeTo", "settlementDate"),
)
# IRIS has 89 datasets; the bound is for junk in the attribute.
MAX_DATASETS = 1_000
# A message may have megabytes, and a page of messages is in memory.
PAGE_MESSAGES = 50
MAX_LISTED = 20
_KEPT_NAMES = frozenset(column.name.lower() for column in METADATA_COLUMNS)


@dataclass(slots=True)
class UnknownDataset:
    """A dataset that the registry does not know, and the file that would add it.

    Attributes:
        name: The IRIS subject.
        messages: How many messages of it are in `iris_unmapped`.
        unopened: How many of them cannot be opened.
        records: The records in the others.
        refused: Records that no table could hold (NaN, not an object).
        text: The proposed file of the registry; empty if there is a problem.
        dataset: Its contents; None if there is a problem.
        problem: Why it cannot be added as it is; empty if it can.
    """

    name: str
    messages: int = 0
    unopened: int = 0
    records: int = 0
    refused: int = 0
    text: str = ""
    dataset: Dataset | None = None
    problem: str = ""
    samples: Samples = field(default_factory=Samples, repr=False)

    def add(self, payload: bytes | None, attributes: str | None) -> None:
        """Takes one message into account."""
        self.messages += 1
        try:
            encoding = json.loads(attributes or "{}").get("content_encoding")
            # A payload that was too large for a row is not in it.
            records = parse_exactly(unpack(payload or b"", encoding)).records
        except (MessageRefused, ValueError):
            self.unopened += 1
            return
        self.records += len(records)
        for record in records:
            if _has_identity(record):
                self.samples.add(record)
            else:
                self.refused += 1

    def propose(self, registry: Registry) -> None:
        """Fills in the file that would add it, or the problem."""
        table = f"bmrs_{self.name.lower()}_iris"
        owner = [known.name for known in registry.values() if known.table == table]
        if self.name == NO_SUBJECT:
            self.problem = (
                "the messages came without a subject, and their records do not name "
                "one dataset of the registry"
            )
        elif owner:
            self.problem = (
                f"its table is that of {owner[0]}: if it is the same dataset, add it "
                f"to `aliases` in {owner[0]}.yaml"
            )
        elif event_time := _event_time(self.samples):
            self._write(event_time)
        else:
            self.problem = "no field dates its records: write its file by hand"

    def _write(self, event_time: str) -> None:
        text = dataset_text(self._guess(event_time))
        try:
            self.dataset = parse_dataset(f"{self.name}.yaml", text)
            self.text = text
        except RegistryError as error:
            self.problem = str(error.__cause__ or error)

    def _guess(self, event_time: str) -> Dataset:
        columns = _columns(self.samples)
        names = tuple(column.name for column in columns)
        # The code of the dataset is the same in all records.
        key = tuple(name for name in names if name != "dataset")
        left_out = [
            shown_name(each) for each in self.samples.names if each not in names
        ]
        notes = [
            f"Columns, event time and keys were inferred from {self.records} records "
            "and need a review. The keys are a guess that never treats two different "
            "records as one: they name every column."
        ]
        if left_out:
            notes.append(f"Left in `extra`: {', '.join(left_out[:MAX_LISTED])}.")
        return Dataset(
            self.name,
            self.name,
            "unknown",
            columns,
            event_time,
            key,
            key,
            notes=tuple(notes),
            schema_source=f"Messages in iris_unmapped ({self.messages})",
            schema_confidence="inferred",
        )


def _has_identity(record: Any) -> bool:
    """Whether the pipeline could make a row of it, whatever the columns."""
    try:
        return type(record) is dict and bool(canonical_json(record))
    except (ValueRefused, RecursionError):
        return False


def _columns(samples: Samples) -> tuple[Column, ...]:
    return tuple(
        column for column in samples.fields() if column.name.lower() not in _KEPT_NAMES
    )


def _event_time(samples: Samples) -> str | None:
    """The column that most likely dates a record: always present, and well named."""

    def rank(column: Column) -> tuple[bool, int, bool]:
        known = column.name in EVENT_TIMES
        return (
            not samples.always_has(column.name),
            EVENT_TIMES.index(column.name) if known else len(EVENT_TIMES),
            column.kind == "DATE",
        )

    times = [c for c in _columns(samples) if c.kind in ("DATE", "TIMESTAMP")]
    return min(times, key=rank).name if times else None


def unknown_datasets(
    client: bigquery.Client, path: TablesPath, registry: Registry
) -> list[UnknownDataset]:
    """The datasets in `iris_unmapped` that the registry does not know.

    Args:
        path: Where the tables are.
        registry: The known datasets.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: BigQuery refused.
    """
    if UNMAPPED.name not in existing_tables(client, path):
        return []
    known = [name for each in registry.values() for name in (each.name, *each.aliases)]
    parameters = [bigquery.ArrayQueryParameter("known", "STRING", known)]
    rows = client.query(
        fill("drift/unknown_datasets.sql", path=path),
        job_config=bigquery.QueryJobConfig(query_parameters=parameters),
    ).result(page_size=PAGE_MESSAGES)
    found: dict[str, UnknownDataset] = {}
    for row in rows:
        if row.dataset == NO_SUBJECT and dataset_inside(row.payload or b""):
            continue  # a replay makes rows of it
        if row.dataset in found or len(found) < MAX_DATASETS:
            new = found.setdefault(row.dataset, UnknownDataset(row.dataset))
            new.add(row.payload, row.attributes)
    for new in found.values():
        new.propose(registry)
    return _distinct(sorted(found.values(), key=lambda new: new.name))


def _distinct(found: list[UnknownDataset]) -> list[UnknownDataset]:
    """If two datasets would have the same table, the larger one has it."""
    owners: dict[str, str] = {}
    for new in sorted(found, key=lambda new: -new.messages):
        if new.dataset and owners.setdefault(new.dataset.table, new.name) != new.name:
            new.problem = f"its table would be that of {owners[new.dataset.table]}, too"
            new.dataset, new.text = None, ""
    return found
