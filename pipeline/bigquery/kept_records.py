"""Kept records: records as they came, where a file of rows does not show it.

They are in a file beside the file of rows until that is loaded, for the dead letters of
rows that BigQuery refuses. A line is the row's id, the attributes of the message if it
was a replay, and the record, separated by tabs: JSON contains neither tabs nor line
ends.
"""

import json
from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

from pipeline.core.batches import RowBatch
from pipeline.core.coercion import TypedRecord
from pipeline.core.decoding import record_json
from pipeline.core.row_ids import row_id

# The attribute that only a replay has.
_REPLAY_OF = "replay_of"


class Kept(NamedTuple):
    """How a record came.

    Attributes:
        record: Its JSON.
        attributes: Those of its message, if that was a replay.
    """

    record: bytes
    attributes: dict[str, str] | None


def lines_of(batch: RowBatch) -> Iterator[bytes]:
    """The lines of a batch; most records follow from their rows, and have no line."""
    # They connect a record that fails again with its first failure.
    is_replay = bool(batch.attributes.get(_REPLAY_OF))
    attributes = record_json(dict(batch.attributes)) if is_replay else b""
    for record in batch.records:
        if is_replay or _is_changed(record):
            name = row_id(record.record_id, batch.origin)
            parts = (name.encode(), attributes, record_json(record.record))
            yield b"\t".join(parts) + b"\n"


def kept_in(lines: Iterable[bytes], row_ids: Set[str]) -> Iterator[tuple[str, Kept]]:
    """The kept records of some rows, by the id of the row."""
    for line in lines:
        name, attributes, record = line.rstrip(b"\n").split(b"\t")
        if (wanted := name.decode()) in row_ids:
            of_replay = json.loads(attributes) if attributes else None
            yield wanted, Kept(record, of_replay)


def _is_changed(record: TypedRecord) -> bool:
    """Whether the record does not follow from its row.

    Nulls and the form of a number do not count: the id does not depend on them.
    """
    if record.source is None:
        return False
    row = record.row
    return any(
        value is not None and row.get(name) != value
        for name, value in record.source.items()
    )
