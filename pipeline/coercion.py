"""Records of one dataset to typed rows, by code compiled for their shape.

Nearly every record needs no conversion: its values already have their columns' types,
or are null, and its times are canonical. For each order of keys that a dataset shows, a
function is compiled that proves this in one pass over the values; such a record is its
own row. Every other record takes the second way: column by column, with the exact
reason where a value is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from pipeline.identity import canonical_json, hash_of, plain_json, salt_of
from pipeline.paths import join
from pipeline.reasons import Reason
from pipeline.registry import Column, Dataset
from pipeline.values import (
    CONVERTERS,
    DATES,
    EXACT_FLOAT,
    INT64_MAX,
    INT64_MIN,
    TIMESTAMPS,
    ValueRefused,
    shown,
)

Record = dict[str, Any]
Row = dict[str, Any]
Shape = tuple[str, ...]
# The row and the record of the canonical JSON; None for a record of the second way.
Proof = Callable[[Record], tuple[Row, Record] | None]

# A dataset with optional fields (REMIT) shows dozens of shapes; the bound is for junk.
MAX_SHAPES = 256

# What proves, in generated code, that a value is already what its column holds; a null
# is, in any column. A double holds every whole number within these bounds, so that an
# integer in a FLOAT64 column is that number, too.
_PROOFS = {
    "STRING": "(type({v}) is str or {v} is None)",
    "INT64": f"(type({{v}}) is int and {INT64_MIN} <= {{v}} <= {INT64_MAX}"
    " or {v} is None)",
    "FLOAT64": "((type({v}) is float or type({v}) is int)"
    f" and -{EXACT_FLOAT} < {{v}} < {EXACT_FLOAT} or {{v}} is None)",
    "BOOL": "(type({v}) is bool or {v} is None)",
    "DATE": "(type({v}) is str and {v} in dates or {v} is None)",
    "TIMESTAMP": "(type({v}) is str and {v} in timestamps or {v} is None)",
}
# What tells that a record is not its own canonical form, which has no fraction at a
# whole number.
_WHOLE = "type({v}) is float and {v}.is_integer()"


class TypedRecord(NamedTuple):
    """One record on its way to its table.

    Attributes:
        record_id: Its identity.
        row: Its typed values; a column that is absent is NULL.
        position: Its index in the message.
        record: The record as it came; the same object as `row` where nothing changed.
    """

    record_id: str
    row: Row
    position: int
    record: Record


# Without the class's own `__new__`, written in Python, which costs as much as the hash.
_new_record: Callable[[type[TypedRecord], tuple[Any, ...]], TypedRecord] = tuple.__new__


class RecordRefused(ValueError):  # noqa: N818 - a refusal is no fault of the program
    """A record that cannot become a row; the message names column and value."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Coercer:
    """Makes rows of one dataset's records."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._salt = salt_of(dataset.name)
        self._columns = {column.name: column for column in dataset.columns}
        self._proofs: dict[Shape, Proof] = {}

    def proof(self, shape: Shape) -> Proof:
        """The compiled proof that a record of this shape is its own row."""
        proof = self._proofs.get(shape)
        if proof is None:
            if len(self._proofs) >= MAX_SHAPES:
                self._proofs.clear()
            proof = self._proofs[shape] = self._compile(shape)
        return proof

    def _compile(self, shape: Shape) -> Proof:
        types = [
            column.type if (column := self._columns.get(name)) else None
            for name in shape
        ]
        if not shape or not all(kind in _PROOFS for kind in types):
            return _never
        names = [f"v{index}" for index in range(len(shape))]
        proofs = [
            _PROOFS[str(kind)].format(v=name)
            for kind, name in zip(types, names, strict=True)
        ]
        whole = [
            _WHOLE.format(v=name)
            for kind, name in zip(types, names, strict=True)
            if kind == "FLOAT64"
        ]
        # Only types of the registry enter the source; names of fields never do.
        source = (
            "def own_row(record):\n"
            "    values = record.values()\n"
            f"    {', '.join(names)}, = values\n"
            f"    if not ({' and '.join(proofs)}):\n"
            "        return None\n"
            f"    if None in values{''.join(f' or {one}' for one in whole)}:\n"
            "        return tidied(record)\n"
            "    return record, record\n"
        )
        scope = {
            "dates": DATES.known,
            "timestamps": TIMESTAMPS.known,
            "tidied": _tidied,
        }
        exec(source, scope)  # noqa: S102
        return scope["own_row"]  # type: ignore[return-value] # made by exec

    def coerce(self, record: Record, *, exact: bool) -> tuple[str, Row]:
        """Makes the id and the row of one record, column by column.

        Args:
            record: A parsed JSON object; it is not changed.
            exact: The parser kept every integer as it stood.

        Raises:
            RecordRefused: A value does not fit its column.
            InexactNumberError: Parse the message exactly and try again.
            RecursionError: The record is nested too deeply.
        """
        extra: dict[str, Any] = {}
        try:
            canonical = canonical_json(record, exact=exact)
            row = _convert_record(self._columns, record, "", extra)
        except ValueRefused as refused:
            raise RecordRefused(refused.reason, str(refused)) from None
        if extra:
            row["extra"] = _json_text(extra)
        return hash_of(self._salt, canonical), row

    def rows(
        self, records: list[Any], *, exact: bool
    ) -> tuple[list[TypedRecord], list[tuple[int, RecordRefused]]]:
        """Makes rows of a whole message.

        Args:
            records: The parsed elements of a message.
            exact: The parser kept every integer as it stood.

        Returns:
            The typed records, and the refused elements with their index.

        Raises:
            InexactNumberError: Parse the message exactly and try again.
        """
        typed: list[TypedRecord] = []
        refused: list[tuple[int, RecordRefused]] = []
        shape: Shape = ()
        own_row: Proof = _never
        salt = self._salt
        for index, record in enumerate(records):
            try:
                if type(record) is not dict:
                    raise RecordRefused(
                        Reason.NOT_AN_OBJECT, f"{shown(record)} is no object"
                    )
                if (keys := tuple(record)) != shape:
                    shape, own_row = keys, self.proof(keys)
                if not exact and (found := own_row(record)):
                    row, canonical = found
                    identity = hash_of(salt, plain_json(canonical))
                    typed.append(
                        _new_record(TypedRecord, (identity, row, index, record))
                    )
                    continue
                identity, row = self.coerce(record, exact=exact)
            except RecordRefused as refusal:
                refused.append((index, refusal))
            except RecursionError:
                too_deep = RecordRefused(Reason.INVALID_JSON, "nested too deeply")
                refused.append((index, too_deep))
            else:
                typed.append(TypedRecord(identity, row, index, record))
        return typed, refused


def _never(_record: Record) -> None:
    return None


def _tidied(record: Record) -> tuple[Row, Record]:
    """A record that is its own row, as a row without nulls and as canonical JSON."""
    row = {name: value for name, value in record.items() if value is not None}
    canonical = {
        name: int(value) if type(value) is float and value.is_integer() else value
        for name, value in row.items()
    }
    return row, canonical


def _convert_record(
    columns: dict[str, Column], record: Record, path: str, extra: dict[str, Any]
) -> Row:
    """Converts the known fields and collects the unknown ones under their path."""
    row: Row = {}
    name = ""
    try:
        for name, value in record.items():
            if value is None:
                continue
            column = columns.get(name)
            if column is None:
                extra[join(path, name)] = value
            elif column.type == "RECORD":
                row[name] = _convert_nested(column, value, join(path, name), extra)
            elif column.mode == "REPEATED":
                convert = CONVERTERS[column.type]
                row[name] = [convert(item) for item in _array(value)]
            else:
                row[name] = CONVERTERS[column.type](value)
    except ValueRefused as refused:
        if refused.is_placed:
            raise
        raise refused.placed(join(path, name)) from None
    return row


def _convert_nested(
    column: Column, value: Any, path: str, extra: dict[str, Any]
) -> Row | list[Row]:
    fields = {field.name: field for field in column.fields}
    if column.mode != "REPEATED":
        return _convert_record(fields, _object(value, path), path, extra)
    return [
        _convert_record(
            fields, _object(item, f"{path}[{index}]"), f"{path}[{index}]", extra
        )
        for index, item in enumerate(_array(value))
    ]


def _array(value: Any) -> list[Any]:
    if type(value) is not list:
        raise ValueRefused(Reason.WRONG_TYPE, f"{shown(value)} is no array")
    return value


def _object(value: Any, path: str) -> Record:
    if type(value) is not dict:
        refused = ValueRefused(Reason.WRONG_TYPE, f"{shown(value)} is no object")
        raise refused.placed(path)
    return value


def _json_text(value: dict[str, Any]) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
