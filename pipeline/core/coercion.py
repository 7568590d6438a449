"""Records of one dataset to typed rows.

Nearly every record needs no conversion: `fast_paths` shows that it is its own row.
Every other record takes the slow path: column by column, with the exact reason where a
value is refused.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from pipeline.core.fast_paths import (
    FastPath,
    FastPaths,
    Record,
    Row,
    Shape,
    Types,
    no_proof,
)
from pipeline.core.forms import DATASET_FIELD, BrokenLine
from pipeline.core.identity import (
    canonical_form,
    canonical_json,
    hash_of,
    plain_identity,
    salt_of,
)
from pipeline.core.paths import join
from pipeline.core.reasons import Reason
from pipeline.core.values import (
    CONVERTERS,
    ValueRefused,
    shown,
)
from pipeline.registry import Column, Dataset


class TypedRecord(NamedTuple):
    """A record, and the row that it becomes.

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


# The class's own `__new__` is written in Python and costs as much as the hash.
_new_record: Callable[[type[TypedRecord], tuple[Any, ...]], TypedRecord] = tuple.__new__


class RecordRefused(ValueError):  # noqa: N818 - a refusal is not an error
    """A record that cannot become a row; the message names column and value."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Coercer:
    """Makes rows of one dataset's records.

    Attributes:
        dataset: The dataset.
        columns: The names of its columns.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._salt = salt_of(dataset.name)
        self._columns = {column.name: column for column in dataset.columns}
        self.columns = self._columns.keys()
        self._fast_paths = FastPaths(dataset.columns)
        self._identity_of = plain_identity(dataset.name)

    def coerce(self, record: Record, *, exact: bool) -> tuple[str, Row]:
        """Makes the id and the row of one record, column by column.

        Args:
            record: A parsed JSON object; it is not changed.
            exact: Whether the parser kept every integer exactly.

        Raises:
            RecordRefused: A value does not fit its column, or no column has a value.
            InexactNumberError: Parse the message exactly and try again.
            RecursionError: The record is nested too deeply.
        """
        extra: dict[str, Any] = {}
        try:
            canonical = canonical_json(record, exact=exact)
            row = _convert_record(self._columns, record, "", extra)
        except ValueRefused as refused:
            raise RecordRefused(refused.reason, str(refused)) from None
        if not _says_anything(row):
            raise RecordRefused(
                Reason.NO_KNOWN_FIELD,
                f"no field with a value is a column of {self.dataset.name}: the "
                f"record has {shown(', '.join(record))}",
            )
        if extra:
            row["extra"] = _json_text(extra)
        return hash_of(self._salt, canonical), row

    def rows(
        self, records: list[Any], *, exact: bool
    ) -> tuple[list[TypedRecord], list[tuple[int, RecordRefused]]]:
        """Makes rows of a whole message.

        Args:
            records: The parsed elements of a message.
            exact: Whether the parser kept every integer exactly.

        Returns:
            The typed records, and the refused elements with their index.

        Raises:
            InexactNumberError: Parse the message exactly and try again.
        """
        typed: list[TypedRecord] = []
        refused: list[tuple[int, RecordRefused]] = []
        shape: Shape = ()
        types: Types = ()
        fast_path: FastPath = no_proof
        identity_of = self._identity_of
        for index, record in enumerate(records):
            try:
                if type(record) is not dict:
                    if type(record) is BrokenLine:
                        raise RecordRefused(Reason.INVALID_JSON, record.error)
                    if not exact:  # the dead letter must have all of its digits
                        canonical_form(record, exact)
                    raise RecordRefused(
                        Reason.NOT_AN_OBJECT, f"{shown(record)} is not an object"
                    )
                keys, kinds = tuple(record), tuple(map(type, record.values()))
                # Asked again as long as there is none: it is compiled the second time.
                if fast_path is no_proof or keys != shape or kinds != types:
                    shape, types = keys, kinds
                    fast_path = self._fast_path(shape, types)
                if not exact and (found := fast_path(record)):
                    row, canonical = found
                    values = (identity_of(canonical), row, index, record)
                    typed.append(_new_record(TypedRecord, values))
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

    def _fast_path(self, shape: Shape, types: Types) -> FastPath:
        """The fast path of a form; none for one that may say nothing."""
        for name, kind in zip(shape, types, strict=True):
            if kind in _SCALARS and name != DATASET_FIELD:
                return self._fast_paths.of(shape, types)
        return no_proof


# A value of one of these types is never empty, unlike an array or an object.
_SCALARS = frozenset((str, int, float, bool))


def _says_anything(row: Row) -> bool:
    """Whether a row has a value beside the name of its dataset."""
    return any(
        name != DATASET_FIELD and value != {} and value != []
        for name, value in row.items()
    )


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
        raise ValueRefused(Reason.WRONG_TYPE, f"{shown(value)} is not an array")
    return value


def _object(value: Any, path: str) -> Record:
    if type(value) is not dict:
        refused = ValueRefused(Reason.WRONG_TYPE, f"{shown(value)} is not an object")
        raise refused.placed(path)
    return value


def _json_text(value: dict[str, Any]) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
