"""Why a message or record is a dead letter, and which step made it one."""

from enum import StrEnum


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
    error of an API, a record of another dataset, an unknown envelope."""

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
