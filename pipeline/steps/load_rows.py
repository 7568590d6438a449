"""Loading: rows through Parquet files into their tables, one load job a table.

To write a row into such a file takes some 10 us of a processor. As Avro, which fastavro
writes value by value, it took 30 us.
"""

import functools
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindows

from pipeline.bigquery.loads import Files, Loaded, Refused, Spooled, all_refused
from pipeline.bigquery.waiting_tables import WAITING
from pipeline.core.batches import RowBatch, TableRow, refused_row
from pipeline.core.coercion import Row
from pipeline.core.decoding import identity_of, record_json, utc_now
from pipeline.core.reasons import Reason
from pipeline.registry import METADATA_COLUMNS, Dataset, load_registry
from pipeline.steps import dedup
from pipeline.steps.ledger import METRICS, PRESENT, Tally
from pipeline.steps.outputs import Outputs
from pipeline.steps.set_aside import ROUND

PROGRESS_SECONDS = 5.0
_METADATA = frozenset(column.name for column in METADATA_COLUMNS)
log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from pipeline.bigquery.spool import Spool

# Loads files; yields what became of their rows, dataset by dataset.
Loader = Callable[[Files], Iterator[tuple[Dataset, Loaded]]]


def _spool(folder: str) -> "Spool":
    """Files of rows. What they need takes 28 MB, which most drains never load."""
    from pipeline.bigquery.spool import Spool

    return Spool(folder)


def _use_system_memory() -> None:
    from pipeline.bigquery.spool import use_system_memory

    use_system_memory()


class LoadRows(beam.PTransform):
    """`RowBatch` to `.dead_letters` and `.ledger` (`TableRow`).

    Args:
        loader: Loads files into tables.
        folder: Where the files are until then; on this machine or Cloud Storage.
        spread: Whether several workers write them; then they are gathered, and each
            table has one load job. In one process a dataset is loaded as soon as it
            seems complete, while others are still being read.
        sets_aside: Whether rows of a table that waits are left for a later round.
    """

    def __init__(
        self,
        loader: Loader,
        folder: str,
        *,
        spread: bool = False,
        sets_aside: bool = False,
    ) -> None:
        super().__init__()
        # Workers are forked: they share what is loaded before.
        from pipeline.bigquery import spool  # noqa: F401

        self.loader = loader
        self.folder = folder
        self.spread = spread
        self.sets_aside = sets_aside

    def expand(self, batches: beam.PCollection[RowBatch]) -> Outputs:
        if not self.spread:
            return batches | "Write and load files" >> beam.ParDo(
                _SpoolAndLoad(self.loader, self.folder, self.sets_aside)
            ).with_outputs("dead_letters", main="ledger")
        loaded = (
            batches
            | "Write files" >> beam.ParDo(_WriteFiles(self.folder))
            | "Gather files" >> beam.GroupByKey()
            | "Load files"
            >> beam.ParDo(LoadFiles(self.loader)).with_outputs(
                "dead_letters", "files", main="ledger"
            )
        )
        # A bundle may be tried again until Reshuffle has stored its outcome.
        _ = (
            loaded.files
            | "Store the outcome" >> beam.Reshuffle()
            | "Delete files" >> beam.Map(_delete)
        )
        return loaded


class _SpoolAndLoad(beam.DoFn):
    """`RowBatch` to files, each loaded when it seems complete or at the end."""

    def __init__(self, loader: Loader, folder: str, sets_aside: bool) -> None:
        self.loader = loader
        self.folder = folder
        self.sets_aside = sets_aside

    def setup(self) -> None:
        _use_system_memory()
        self.spool = _spool(self.folder)

    def start_bundle(self) -> None:
        self.spool = _spool(self.folder)
        self.loads: list[Future[list[Any]]] = []

    def process(self, batch: RowBatch) -> None:
        self.spool.add(batch)
        if complete := self.spool.complete():
            self.loads.append(_early_threads().submit(self._load, complete))

    def _load(self, files: Files) -> list[tuple[Dataset, Loaded]]:
        answers = []
        for dataset, loaded in _loaded(self.loader, files):
            if self.sets_aside:
                loaded = _set_aside(dataset, loaded, files[dataset])
            answers.append((dataset, loaded))
            self.spool.delete(file.path for file in files[dataset])
        return answers

    def finish_bundle(self) -> Iterator[Any]:
        early = [answer for load in self.loads for answer in load.result()]
        return _outcomes([*early, *self._load(self.spool.rest())])

    def teardown(self) -> None:
        # Files of a bundle that failed would fill the disk of a drain that continues.
        # A load that is still running ends when its file is gone.
        self.spool.discard()


@functools.cache
def _early_threads() -> ThreadPoolExecutor:
    """The thread that loads while the process reads on."""
    return ThreadPoolExecutor(1, thread_name_prefix="load")


# A process that is forked has no such thread.
os.register_at_fork(after_in_child=_early_threads.cache_clear)


def _set_aside(dataset: Dataset, loaded: Loaded, files: list[Spooled]) -> Loaded:
    """Leaves the rows of a table that waits for a later round, for some time.

    Dedup forgets all it knows, as a load adds no row that its table has.
    """
    if loaded.waits is None:
        WAITING.succeeded(dataset.table)
        return loaded
    WAITING.failed(dataset.table, loaded.waits)
    if WAITING.is_over(dataset.table):
        refused = all_refused(dataset, files, loaded.waits)
        return Loaded(0, refused=refused, waits=loaded.waits)
    ROUND.datasets.add(dataset.name)
    dedup.forget()
    return loaded


class _WriteFiles(beam.DoFn):
    """`RowBatch` to `(dataset, Spooled)`, one file a dataset and bundle."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def setup(self) -> None:
        _use_system_memory()

    def start_bundle(self) -> None:
        self.spool = _spool(self.folder)

    def process(self, batch: RowBatch) -> None:
        self.spool.add(batch)

    def finish_bundle(self) -> Iterator[Any]:
        for dataset, (file,) in self.spool.rest().items():
            yield GlobalWindows.windowed_value((dataset.name, file))


class LoadFiles(beam.DoFn):
    """`(dataset, Spooled files)` to loads, when a bundle ends.

    The output `files` has the paths of the files that are loaded.
    """

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def start_bundle(self) -> None:
        self.files: Files = {}

    def process(self, group: tuple[str, Iterable[Spooled]]) -> None:
        name, files = group
        self.files[load_registry()[name]] = list(files)

    def finish_bundle(self) -> Iterator[Any]:
        yield from _outcomes(_loaded(self.loader, self.files))
        for files in self.files.values():
            paths = [path for file in files for path in file.paths]
            yield beam.pvalue.TaggedOutput("files", GlobalWindows.windowed_value(paths))


def _delete(paths: list[str]) -> None:
    FileSystems.delete(paths)


def _loaded(loader: Loader, files: Files) -> Iterator[tuple[Dataset, Loaded]]:
    """Loads files, and logs the progress."""
    logged = time.monotonic()
    for done, answer in enumerate(loader(files) if files else (), 1):
        yield answer
        if time.monotonic() - logged > PROGRESS_SECONDS:
            logged = time.monotonic()
            log.info("%d of %d tables are loaded", done, len(files))


def _outcomes(answers: Iterable[tuple[Dataset, Loaded]]) -> Iterator[Any]:
    """The ledger entries and dead letters of loads."""
    tally, now = Tally(), utc_now()
    for dataset, loaded in answers:
        tally.add(
            dataset.name,
            None,  # a load job does not say of which messages its rows are
            rows=loaded.rows,
            duplicates=loaded.present,
            dead_letters=len(loaded.refused),
        )
        Metrics.counter(METRICS, PRESENT).inc(loaded.present)
        reason = Reason.TABLE_UNAVAILABLE if loaded.waits else Reason.INSERT_REJECTED
        for refused in loaded.refused:
            letter = _letter_of(dataset, refused, now, reason)
            row = GlobalWindows.windowed_value(letter)
            yield beam.pvalue.TaggedOutput("dead_letters", row)
    yield from tally.entries()


def _letter_of(
    dataset: Dataset, refused: Refused, now: str, reason: Reason
) -> TableRow:
    row = refused.row
    attributes: dict[str, Any] = refused.attributes or {
        "dataset": dataset.name,
        "message_id": row.get("message_id"),
        "publish_id": row.get("message_id"),
        "source": row.get("source"),
        "enqueued_time": row.get("enqueued_utc"),
    }
    return refused_row(
        dataset.name,
        {name: value for name, value in attributes.items() if value},
        row["record_id"],
        refused.record or _record_of(dataset, row),
        refused.error,
        now,
        reason=reason,
    )


def _record_of(dataset: Dataset, row: Row) -> bytes:
    """The JSON of a record that is its own row, except for nulls."""
    record = {name: value for name, value in row.items() if name not in _METADATA}
    if identity_of(dataset.name, record) != row["record_id"]:
        # The file has an empty list where the record had none.
        record = {name: value for name, value in record.items() if value != []}
    return record_json(record)
