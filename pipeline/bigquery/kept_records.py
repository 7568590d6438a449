"""Kept records: what a file of rows does not tell of how its records came.

They lie in a file beside it until its load is done, for the dead letters of what
BigQuery refuses. A line is the id, the attributes of the message if it was a replay,
and the record, with tabs between: JSON has no tab and no end of a line within.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

from pipeline.core.batches import RowBatch
from pipeline.core.coercion import TypedRecord
from pipeline.core.decoding import record_json

# The attribute that tells a replay.
_REPLAY_OF = "replay_of"


class Kept(NamedTuple):
    """How a record came.

    Attributes:
        record: Its JSON.
        attributes: Those of its message, where it was a replay.
    """

    record: bytes
    attributes: dict[str, str] | None


def lines_of(batch: RowBatch) -> Iterator[bytes]:
    """What to keep of a batch: most rows tell their record, and have no line."""
    # By these what fails again is known to belong to what failed first.
    is_replay = bool(batch.attributes.get(_REPLAY_OF))
    attributes = record_json(dict(batch.attributes)) if is_replay else b""
    for record in batch.records:
        if is_replay or (record.row is not record.record and _is_changed(record)):
            parts = (record.record_id.encode(), attributes, record_json(record.record))
            yield b"\t".join(parts) + b"\n"


def kept_in(lines: Iterable[bytes], record_ids: Set[str]) -> Iterator[tuple[str, Kept]]:
    """What lines keep of some records, by their id."""
    for line in lines:
        name, attributes, record = line.rstrip(b"\n").split(b"\t")
        if (record_id := name.decode()) in record_ids:
            told = json.loads(attributes) if attributes else None
            yield record_id, Kept(record, told)


def _is_changed(record: TypedRecord) -> bool:
    """Whether the record cannot be told from its row.

    Nulls and the form of a number do not count: the id is the same without.
    """
    row = record.row
    return any(
        value is not None and row.get(name) != value
        for name, value in record.record.items()
    )
