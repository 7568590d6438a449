"""The id of a row: by it a row is recognised that is there already.

For most datasets it is the `record_id`: an identical record is the same row, whichever
message brings it. Where a message is the publication of a set, an identical record of a
later message is a row of its own, because the rows of the last message are the set: the
id is then made of the `record_id` and the message. A message that comes again, from the
feed, an archive or a replay, has the same name, and so its rows have the same ids.

The Insights API has no messages. Its answers are those of one origin, so that a
backfill that is repeated adds nothing.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import xxhash

from pipeline.registry import Dataset, load_registry

API = "INSIGHTS_API"


def origin_of(dataset: str, metadata: Mapping[str, Any]) -> str | None:
    """What distinguishes the rows of a message from identical ones of another message.

    Args:
        dataset: The registry's name.
        metadata: The metadata columns of the message's rows; they may be those of a
            row.

    Returns:
        A text, or None if the `record_id` alone is the id of a row.
    """
    if dataset not in _sets_of_messages():
        return None
    return API if metadata.get("source") == API else metadata.get("message_id") or ""


def row_id(record_id: str, origin: str | None) -> str:
    """The id of a row: 32 hexadecimal digits."""
    return record_id if origin is None else hashed(record_id, origin)


def hashed(record_id: str, name: str) -> str:
    """An id for a record together with a name."""
    return xxhash.xxh3_128_hexdigest(f"{record_id}\n{name}".encode())


def row_id_of(dataset: Dataset, row: Mapping[str, Any]) -> str:
    """The id of a row, from its columns."""
    return row_id(row["record_id"], origin_of(dataset.name, row))


def row_key(dataset: Dataset, row: Mapping[str, Any]) -> str:
    """The id of a row as a text that SQL makes, too."""
    origin = origin_of(dataset.name, row)
    record_id: str = row["record_id"]
    return record_id if origin is None else f"{record_id} {origin}"


def row_key_sql(dataset: Dataset) -> str:
    """`row_key` in SQL: NULL for a row without `record_id`."""
    if not dataset.is_set_of_message:
        return "record_id"
    return f"CONCAT(record_id, ' ', {origin_sql()})"


def origin_sql() -> str:
    """The origin of a row in SQL, for a dataset whose publications are messages."""
    return f"IF(source = '{API}', source, COALESCE(message_id, ''))"


@cache
def _sets_of_messages() -> frozenset[str]:
    registry = load_registry().values()
    return frozenset(each.name for each in registry if each.is_set_of_message)
