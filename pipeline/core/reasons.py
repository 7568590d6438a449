"""Why a message or record is a dead letter, and which step made it one."""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from command.text import listed, printable

UNMAPPED = "UNMAPPED"
"""In place of a reason: the message is of a dataset that the registry does not know."""

Reasons = Mapping[tuple[str, str], int]
"""How many records and messages did not become rows, by reason and dataset."""

DEAD_LETTERS_SQL = (
    "SELECT dataset, reason, error FROM iris_dead_letters "
    "ORDER BY failed_utc DESC LIMIT 20"
)


class Stage(StrEnum):
    """The step of the pipeline at which a dead letter was made."""

    READ = "read"
    DECODE = "decode"
    COERCE = "coerce"
    WRITE = "write"


class Reason(StrEnum):
    """The reason codes of `iris_dead_letters.reason`."""

    UNREADABLE = "UNREADABLE"
    """A file that cannot be read to its end: cut off, too large, an unsafe name."""

    INVALID_GZIP = "INVALID_GZIP"
    """The body says that it is gzip and cannot be unpacked (or unpacks without end)."""

    INVALID_JSON = "INVALID_JSON"
    """The body is not JSON: broken, cut off, not UTF-8, or nested too deeply."""

    TOO_LARGE_FOR_SERVICE = "TOO_LARGE_FOR_SERVICE"
    """More than a stream on Dataflow can commit; a drain makes rows of it."""

    NOT_RECORDS = "NOT_RECORDS"
    """The body is JSON, but neither an array nor an object."""

    NO_KNOWN_FIELD = "NO_KNOWN_FIELD"
    """No field of the record that has a value is a column, except for `dataset`: an
    error of an API, an unknown envelope."""

    OTHER_DATASET = "OTHER_DATASET"
    """The record names another dataset of the registry than its message or file."""

    NOT_AN_OBJECT = "NOT_AN_OBJECT"
    """An element of the array is not an object."""

    WRONG_TYPE = "WRONG_TYPE"
    """A value does not have its column's type, and no lossless conversion exists."""

    OUT_OF_RANGE = "OUT_OF_RANGE"
    """A number or time that its BigQuery type cannot hold without loss."""

    NOT_FINITE = "NOT_FINITE"
    """NaN or Infinity."""

    INSERT_REJECTED = "INSERT_REJECTED"
    """BigQuery refused the row; `error` holds its answer."""

    TABLE_UNAVAILABLE = "TABLE_UNAVAILABLE"
    """BigQuery accepted no rows for the table for an hour: it is missing, this account
    may not write to it, or the service is away. The row itself was not judged."""

    INTERNAL = "INTERNAL"
    """A fault of the pipeline itself; the message is whole and can be replayed."""


def reasons_lines(reasons: Reasons, query: str) -> Iterator[str]:
    """What did not become rows, the most frequent first, and what to do next.

    Args:
        reasons: How many by reason and dataset.
        query: The command that runs a statement, up to the statement.
    """
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    letters = [
        f"{count:,} {reason} of {printable(dataset)}"
        for (reason, dataset), count in ordered
        if reason != UNMAPPED
    ]
    unmapped = [
        f"{count:,} of {printable(dataset)}"
        for (reason, dataset), count in ordered
        if reason == UNMAPPED
    ]
    if letters:
        yield f"dead letters: {listed(letters, 5)} (docs/dead-letters.md)"
        yield f'look at them: {query}"{DEAD_LETTERS_SQL}"'
    if unmapped:
        yield f"messages of unknown datasets: {listed(unmapped, 5)} (docs/registry.md)"
