"""The spool: rows wait in Avro files, one a dataset, until they are loaded."""

from __future__ import annotations

import posixpath
import uuid

from apache_beam.io.filesystems import FileSystems
from fastavro.write import Writer

from pipeline.avro_rows import converter_of, schema_of
from pipeline.batches import RowBatch
from pipeline.loads import Spooled
from pipeline.registry import Dataset, load_registry

# A folder of datasets is read one dataset after the other: one that has had no row for
# so many messages has probably had its last.
SETTLED_MESSAGES = 2_000
# So many rows are worth a load job of their own; fewer wait for the end.
SETTLED_ROWS = 1_000

Files = dict[Dataset, list[Spooled]]


class Spool:
    """The files that are being written.

    Args:
        folder: Where they are; on this machine or Cloud Storage.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files: dict[str, _File] = {}
        self._messages = 0

    def add(self, batch: RowBatch) -> None:
        """Writes the rows of a message."""
        self._messages += 1
        if (file := self._files.get(batch.dataset)) is None:
            file = self._files[batch.dataset] = _File(batch.dataset, self._folder)
        file.write(batch)
        file.touched = self._messages

    def settled(self) -> Files:
        """Closes and gives the files that have probably had their last row.

        It looks every `SETTLED_MESSAGES` messages and finds nothing in between.
        """
        if self._messages % SETTLED_MESSAGES:
            return {}
        before = self._messages - SETTLED_MESSAGES
        return self._close(
            [
                name
                for name, file in self._files.items()
                if file.touched <= before and file.rows >= SETTLED_ROWS
            ]
        )

    def rest(self) -> Files:
        """Closes and gives all files that are left."""
        return self._close(list(self._files))

    def _close(self, names: list[str]) -> Files:
        files = [self._files.pop(name) for name in names]
        return {file.dataset: [file.close()] for file in files}


class _File:
    def __init__(self, name: str, folder: str) -> None:
        self.dataset = load_registry()[name]
        self.rows = 0
        self.touched = 0
        file_name = f"{self.dataset.table}-{uuid.uuid4().hex}.avro"
        self._path = posixpath.join(folder, file_name)
        self._partition_column = self.dataset.partition_column
        self._convert = converter_of(self.dataset)
        self._opened = FileSystems.create(self._path)
        self._writer = Writer(self._opened, schema_of(self.dataset))
        self._days: set[str | None] = set()

    def write(self, batch: RowBatch) -> None:
        for record in batch.records:
            row = {**record.row, **batch.metadata, "record_id": record.record_id}
            instant = row.get(self._partition_column)
            self._days.add(instant[:10] if instant else None)
            self._convert(row)
            self._writer.write(row)
        self.rows += len(batch.records)

    def close(self) -> Spooled:
        self._writer.flush()
        self._opened.close()
        days = [day for day in self._days if day]
        first, last = (min(days), max(days)) if days else (None, None)
        return Spooled(self._path, self.rows, first, last, None in self._days)
