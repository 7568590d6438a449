"""Loading: rows through Avro files into their tables, one load job a table."""

from __future__ import annotations

import json
import logging
import posixpath
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindows
from fastavro.write import Writer

from pipeline.avro_rows import converter_of, schema_of
from pipeline.batches import RowBatch, TableRow, dead_letter_row
from pipeline.decoding import DeadLetter, record_json, utc_now
from pipeline.ledger import METRICS, PRESENT, Tally
from pipeline.loads import Loaded, Refused, Spooled
from pipeline.reasons import Reason, Stage
from pipeline.registry import METADATA_COLUMNS, Dataset, load_registry

PROGRESS_SECONDS = 5.0
_METADATA = frozenset(column.name for column in METADATA_COLUMNS)
_log = logging.getLogger(__name__)

# All files of a run in, what became of their rows out.
Loader = Callable[
    [Mapping[Dataset, Sequence[Spooled]]], Iterator[tuple[Dataset, Loaded]]
]


class LoadRows(beam.PTransform):
    """Takes `RowBatch`; gives `dead_letters` and `ledger` (`TableRow`).

    Args:
        loader: What loads files into tables.
        folder: Where the files are until then; on this machine or Cloud Storage.
    """

    def __init__(self, loader: Loader, folder: str) -> None:
        super().__init__()
        self.loader = loader
        self.folder = folder

    def expand(self, batches: beam.PCollection) -> Any:
        """Builds the steps."""
        return (
            batches
            | "Write Avro files" >> beam.ParDo(_Spool(self.folder))
            | "Gather files" >> beam.GroupByKey()
            | "Load files"
            >> beam.ParDo(_Load(self.loader)).with_outputs(
                "dead_letters", main="ledger"
            )
        )


class _Spool(beam.DoFn):
    """Takes `RowBatch`; gives `(dataset, Spooled)`, one file a dataset and bundle."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def start_bundle(self) -> None:
        self.files: dict[str, _File] = {}

    def process(self, batch: RowBatch) -> None:
        if (file := self.files.get(batch.dataset)) is None:
            dataset = load_registry()[batch.dataset]
            path = posixpath.join(
                self.folder, f"{dataset.table}-{uuid.uuid4().hex}.avro"
            )
            file = self.files[batch.dataset] = _File(dataset, path)
        file.write(batch)

    def finish_bundle(self) -> Iterator[Any]:
        for name, file in self.files.items():
            yield GlobalWindows.windowed_value((name, file.close()))


class _File:
    """An Avro file that is being written."""

    def __init__(self, dataset: Dataset, path: str) -> None:
        self._path = path
        self._partition_column = dataset.partition_column
        self._convert = converter_of(dataset)
        self._opened = FileSystems.create(path)
        self._writer = Writer(self._opened, schema_of(dataset))
        self._rows = 0
        self._days: set[str | None] = set()

    def write(self, batch: RowBatch) -> None:
        for record in batch.records:
            row = {**record.row, **batch.metadata, "record_id": record.record_id}
            instant = row.get(self._partition_column)
            self._days.add(instant[:10] if instant else None)
            self._convert(row)
            self._writer.write(row)
        self._rows += len(batch.records)

    def close(self) -> Spooled:
        self._writer.flush()
        self._opened.close()
        days = [day for day in self._days if day]
        first, last = (min(days), max(days)) if days else (None, None)
        return Spooled(self._path, self._rows, first, last, None in self._days)


class _Load(beam.DoFn):
    """Takes `(dataset, Spooled files)`; loads those of a bundle when it ends."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def start_bundle(self) -> None:
        self.spooled: dict[Dataset, list[Spooled]] = {}

    def process(self, group: tuple[str, Iterable[Spooled]]) -> None:
        name, files = group
        self.spooled[load_registry()[name]] = list(files)

    def finish_bundle(self) -> Iterator[Any]:
        tally, now, said = Tally(), utc_now(), time.monotonic()
        answers = self.loader(self.spooled) if self.spooled else ()
        for done, (dataset, loaded) in enumerate(answers, 1):
            tally.add(
                dataset.name,
                rows=loaded.rows,
                duplicates=loaded.present,
                dead_letters=len(loaded.refused),
            )
            Metrics.counter(METRICS, PRESENT).inc(loaded.present)
            for refused in loaded.refused:
                row = _refused_row(dataset, refused, now)
                yield beam.pvalue.TaggedOutput(
                    "dead_letters", GlobalWindows.windowed_value(row)
                )
            if time.monotonic() - said > PROGRESS_SECONDS:
                said = time.monotonic()
                _log.info("loaded %d of %d tables", done, len(self.spooled))
        FileSystems.delete([f.path for files in self.spooled.values() for f in files])
        yield from tally.entries()


def _refused_row(dataset: Dataset, refused: Refused, now: str) -> TableRow:
    """The dead letter of a row that BigQuery refused.

    The record as it came is not at hand: the payload has the values of the row, which
    are equal, and fields that the registry does not know under their own names.
    """
    row = refused.row
    record = {name: value for name, value in row.items() if name not in _METADATA}
    record |= json.loads(row.get("extra") or "{}")
    attributes = {
        "dataset": dataset.name,
        "message_id": row.get("message_id"),
        "publish_id": row.get("message_id"),
        "source": row.get("source"),
        "enqueued_time": row.get("enqueued_utc"),
    }
    letter = DeadLetter(
        Stage.WRITE, Reason.INSERT_REJECTED, refused.error, None, record_json(record)
    )
    known = {name: value for name, value in attributes.items() if value}
    return dead_letter_row(dataset.name, known, letter, now)
