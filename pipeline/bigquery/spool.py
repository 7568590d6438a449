"""The spool: Parquet files, one a dataset, that hold rows until they are loaded."""

import datetime as dt
import posixpath
import uuid
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from apache_beam.io.filesystems import FileSystems
from pyarrow.parquet import ParquetWriter

from pipeline.bigquery.kept_records import lines_of
from pipeline.bigquery.loads import Files, Spooled
from pipeline.bigquery.parquet_rows import schema_of, table_of
from pipeline.core.batches import RowBatch, columns_of
from pipeline.registry import load_registry

# A folder of datasets is read one dataset after the other: a dataset without a row in
# this number of messages is probably complete.
COMPLETE_MESSAGES = 2_000
# This number of rows is worth a load job of its own; fewer wait for the end.
COMPLETE_ROWS = 1_000
# Rows in memory over all files, 1 KB each. When they are this many, those of one file
# are written together: the more there are, the less a row costs. With 5,000, and all
# datasets in turn, a row would cost half as much again.
BUFFERED_ROWS = 20_000
# The end of the name of a file of kept records.
RECORDS = ".records"


def use_system_memory() -> None:
    """Makes Arrow allocate the rows of this process as C does, without its own pool.

    That pool keeps what it has allocated, some 20 MB of a run over files. The variable
    ARROW_DEFAULT_MEMORY_POOL, which `python -m pipeline` sets before Arrow is imported,
    replaces it everywhere in Arrow; a worker of Dataflow has imported Arrow before any
    code of ours runs, so there Arrow's internal buffers stay in its own pool.
    """
    pa.set_memory_pool(pa.system_memory_pool())


class Spool:
    """The files that are being written.

    Args:
        folder: Their folder, on this machine or Cloud Storage.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files: dict[str, _File] = {}
        self._made: dict[str, _File] = {}  # by path, until they are deleted
        self._messages = 0
        self._buffered_rows = 0

    def add(self, batch: RowBatch) -> None:
        """Adds the rows of a message; the file has them when it is closed."""
        self._messages += 1
        if (file := self._files.get(batch.dataset)) is None:
            file = self._files[batch.dataset] = _File(batch.dataset, self._folder)
            self._made[file.path] = file
        file.add(batch)
        file.touched = self._messages
        self._buffered_rows += len(batch.records)
        if self._buffered_rows >= BUFFERED_ROWS:
            fullest = max(self._files.values(), key=lambda file: file.buffered_rows)
            self._buffered_rows -= fullest.buffered_rows
            fullest.write()

    def complete(self) -> Files:
        """Closes and returns the files that have probably had their last row.

        It looks every `COMPLETE_MESSAGES` messages, and returns nothing in between.
        """
        if self._messages % COMPLETE_MESSAGES:
            return {}
        before = self._messages - COMPLETE_MESSAGES
        return self._close(
            [
                name
                for name, file in self._files.items()
                if file.touched <= before and file.rows >= COMPLETE_ROWS
            ]
        )

    def rest(self) -> Files:
        """Closes and returns all files that are left."""
        return self._close(list(self._files))

    def delete(self, paths: Iterable[str]) -> None:
        """Deletes files that are loaded."""
        for path in paths:
            if file := self._made.pop(path, None):
                FileSystems.delete(file.paths)

    def discard(self) -> None:
        """Deletes the files that a run that has failed leaves."""
        self.delete(list(self._made))

    def _close(self, names: list[str]) -> Files:
        files = [self._files.pop(name) for name in names]
        self._buffered_rows -= sum(file.buffered_rows for file in files)
        return {file.dataset: [file.close()] for file in files}


class _File:
    def __init__(self, name: str, folder: str) -> None:
        self.dataset = load_registry()[name]
        self.buffered: list[RowBatch] = []
        self.buffered_rows = 0
        self.rows = 0
        self.touched = 0
        file_name = f"{self.dataset.table}-{uuid.uuid4().hex}.parquet"
        self.path = posixpath.join(folder, file_name)
        self.paths = [self.path]  # and that of its kept records, if it has any
        self._opened = FileSystems.create(self.path)
        self._writer = ParquetWriter(self._opened, schema_of(self.dataset))
        self._days: set[dt.date | None] = set()
        self._records: Any = None

    def add(self, batch: RowBatch) -> None:
        self.buffered.append(batch)
        self.buffered_rows += len(batch.records)
        self.rows += len(batch.records)
        for line in lines_of(batch):
            if self._records is None:
                path = f"{self.path}{RECORDS}"
                self._records = FileSystems.create(path)
                self.paths.append(path)
            self._records.write(line)

    def write(self) -> None:
        """Writes the rows that are in memory."""
        table = table_of(self.dataset, columns_of(self.buffered))
        self._writer.write_table(table)
        days = table[self.dataset.partition_column].cast(pa.date32())
        self._days.update(days.unique().to_pylist())
        self.buffered, self.buffered_rows = [], 0

    def close(self) -> Spooled:
        if self.buffered:
            self.write()
        self._writer.close()
        self._opened.close()
        if self._records:
            self._records.close()
        days = [str(day) for day in self._days if day]
        first, last = (min(days), max(days)) if days else (None, None)
        undated = None in self._days
        records = self.paths[1] if self._records else None
        return Spooled(self.path, self.rows, first, last, undated, records)
