"""Records of one dataset to typed rows.

Nearly every record needs no conversion: `structs` reads it as its own row. Every other
record takes the slow path: column by column, with the exact reason where a value is
refused. Both give the same row and the same id.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence, Set
from typing import Any, NamedTuple

import msgspec
import orjson
from msgspec import Struct

from pipeline.core.forms import DATASET_FIELD, BrokenLine
from pipeline.core.identity import (
    InexactNumberError,
    canonical_form,
    canonical_json,
    hash_of,
    salt_of,
)
from pipeline.core.literals import (
    Literal,
    json_text,
    may_change,
    parsed,
    plain_numbers,
)
from pipeline.core.paths import join
from pipeline.core.reasons import Reason
from pipeline.core.structs import Structs, elements, plain
from pipeline.core.values import (
    CONVERTERS,
    ValueRefused,
    shown,
)
from pipeline.registry import Column, Dataset

# What the quick parsers do not read; the slow path does, or says what is wrong.
UNREADABLE = (
    msgspec.DecodeError,
    orjson.JSONDecodeError,
    UnicodeDecodeError,
    RecursionError,
)

Record = dict[str, Any]
Row = dict[str, Any]
# Returns an element of a message with its numbers as they are written; None where they
# are those of the parsed element.
Written = Callable[[int], Any]


class TypedRecord(Struct, gc=False):
    """A record, and the row that it becomes.

    Attributes:
        record_id: Its identity.
        values: Its typed values, a struct of its dataset; what is absent is NULL.
        position: Its index in the message.
        extra: JSON text of its fields that are no columns; None without any.
        source: The record as it came; None if it is what `values` has, except for
            nulls and the order of its fields.
    """

    record_id: str
    values: Struct
    position: int
    extra: str | None = None
    source: Record | None = None

    @property
    def row(self) -> Row:
        """Its typed values by column; a column that is absent is NULL."""
        row = plain(self.values)
        return row if self.extra is None else {**row, "extra": self.extra}

    @property
    def record(self) -> Record:
        """The record as it came, or what is the same for its identity."""
        return plain(self.values) if self.source is None else self.source


class RecordRefused(ValueError):  # noqa: N818 - a refusal is not an error
    """A record that cannot become a row; the message names column and value.

    Attributes:
        reason: The dead letter's code.
        record_id: The identity of the record; None for one without identity.
    """

    def __init__(
        self, reason: Reason, message: str, record_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.record_id = record_id


class Refusal(NamedTuple):
    """An element of a message that cannot become a row.

    Attributes:
        position: Its index.
        element: What was parsed.
        why: The reason.
        written: The same with its numbers as they are written; None without need.
    """

    position: int
    element: Any
    why: RecordRefused
    written: Any = None


class Typed(NamedTuple):
    """What became of the elements of a message.

    Attributes:
        records: Those that are rows, in their order.
        refused: The others.
    """

    records: list[TypedRecord]
    refused: list[Refusal]


# The class's own `__new__` is written in Python.
_new_typed: Callable[[type[Typed], tuple[Any, ...]], Typed] = tuple.__new__


class Coercer:
    """Makes rows of one dataset's records.

    Args:
        dataset: The dataset.
        others: The names of other datasets: a record that names one is refused.

    Attributes:
        dataset: The dataset.
        columns: The names of its columns.
        structs: The structs of its rows.
    """

    def __init__(self, dataset: Dataset, others: Set[str] = frozenset()) -> None:
        self.dataset = dataset
        self._others = others
        self._salt = salt_of(dataset.name)
        self._columns = {column.name: column for column in dataset.columns}
        self.columns = self._columns.keys()
        # A record that has its time says something.
        self.structs = Structs(
            dataset.columns,
            required=dataset.event_time,
            texts={
                DATASET_FIELD: (dataset.name, *dataset.aliases, *dataset.also_named)
            },
        )

    def coerce(
        self, record: Record, *, exact: bool, written: Record | None = None
    ) -> tuple[str, Row]:
        """Makes the id and the row of one record, column by column.

        Args:
            record: A parsed JSON object; it is not changed.
            exact: Whether the parser kept every integer exactly.
            written: The record with its numbers as they are written, for columns of
                text and for `extra`; None where they are the same.

        Raises:
            RecordRefused: A value does not fit its column, or no column has a value.
            InexactNumberError: Parse the record exactly and try again.
            RecursionError: The record is nested too deeply.
        """
        extra: dict[str, Any] = {}
        identity = None
        if written is None:
            written = record
        try:
            identity = hash_of(self._salt + canonical_json(record, exact=exact))
            self._refuse_other_dataset(record)
            row = _convert_record(self._columns, record, "", extra, written)
        except ValueRefused as refused:
            if identity is None:
                refused = _named(refused, record, written)
            raise RecordRefused(refused.reason, str(refused), identity) from None
        if not _says_anything(row):
            raise RecordRefused(
                Reason.NO_KNOWN_FIELD,
                f"no field with a value is a column of {self.dataset.name}: the "
                f"record has {shown(', '.join(record))}",
                identity,
            )
        if extra:
            row["extra"] = _json_text(extra)
        return identity, row

    def read(self, text: bytes | str) -> Typed | None:
        """Makes rows of an array of records, as IRIS sends it.

        Args:
            text: JSON.

        Returns:
            None for what is not such an array, or is an answer that has the records
            inside of it: `rows` makes rows of what is parsed.
        """
        try:
            return self._read(text)
        except UNREADABLE:
            return None

    def _read(self, text: bytes | str) -> Typed | None:
        parts: Sequence[Any] = ()
        try:
            values = self.structs.read_array(text)
            positions: Sequence[int] = range(len(values))
        except msgspec.ValidationError:
            parts = elements(text)
            values, positions = _fitting(self.structs.read, parts)
        unproved = self.structs.unproved(values)
        if not (parts or unproved):
            return _new_typed(Typed, (self._typed(values, positions), []))
        values, positions = _without(unproved, values, positions)
        left = _left(positions, parts or elements(text))
        if left and left[0][0] == 0 and _has_data(left[0][1]):
            return None
        slow = [self._read_slowly(*one) for one in left]
        return _joined(self._typed(values, positions), slow)

    def rows(
        self, records: list[Any], *, exact: bool, written: Written | None = None
    ) -> Typed:
        """Makes rows of the parsed elements of a message.

        Args:
            records: The elements; some may be a `BrokenLine`.
            exact: Whether the parser kept every integer exactly.
            written: Returns an element with its numbers as they are written.

        Raises:
            InexactNumberError: Parse the message exactly and try again.
        """
        fitting = _fitting(self.structs.converted, () if exact else records)
        values, positions = _without(self.structs.unproved(fitting[0]), *fitting)
        left = _left(positions, records)
        slow = [
            self._slow(*one, exact=exact, written=written and written(one[0]))
            for one in left
        ]
        return _joined(self._typed(values, positions), slow)

    def _refuse_other_dataset(self, record: Record) -> None:
        name = record.get(DATASET_FIELD)
        if type(name) is str and name in self._others:
            raise ValueRefused(
                Reason.OTHER_DATASET,
                f"{DATASET_FIELD}: the record is of {name}, its message of "
                f"{self.dataset.name}",
            )

    def _typed(
        self, values: Sequence[Struct], positions: Sequence[int]
    ) -> list[TypedRecord]:
        """The records of structs that are proved."""
        salt = self._salt
        ids = [hash_of(salt + line) for line in self.structs.canonical(values)]
        return list(map(TypedRecord, ids, values, positions))

    def _read_slowly(self, position: int, part: Any) -> TypedRecord | Refusal:
        """What becomes of one element of a text."""
        text = bytes(part)
        written = parsed(text) if may_change(text) else None
        try:
            element = orjson.loads(text)
            return self._slow(position, element, exact=False, written=written)
        except InexactNumberError:
            element = json.loads(text)
            return self._slow(position, element, exact=True, written=written)

    def _slow(
        self, position: int, element: Any, *, exact: bool, written: Any = None
    ) -> TypedRecord | Refusal:
        """What becomes of one element, column by column."""
        try:
            if type(element) is BrokenLine:
                raise RecordRefused(Reason.INVALID_JSON, element.error)
            if type(element) is not dict:
                if not exact:  # the dead letter must have all of its digits
                    canonical_form(element, exact)
                raise RecordRefused(
                    Reason.NOT_AN_OBJECT, f"{shown(element)} is not an object"
                )
            identity, row = self.coerce(element, exact=exact, written=written)
        except RecordRefused as why:
            return Refusal(position, element, why, written)
        except RecursionError:
            too_deep = RecordRefused(Reason.INVALID_JSON, "nested too deeply")
            return Refusal(position, element, too_deep, written)
        return self.typed(identity, row, position, element)

    def typed(
        self, record_id: str, row: Row, position: int, record: Record | None = None
    ) -> TypedRecord:
        """A record with a row that is made already.

        Args:
            record_id: Its identity.
            row: Its typed values, and `extra`. What is not a column, as in a row that
                an earlier release made, is then in `extra`, too.
            position: Its index in the message.
            record: The record as it came; None if the row shows it.
        """
        if record is None:
            try:
                return TypedRecord(record_id, self.structs.converted(row), position)
            except msgspec.ValidationError:
                record = row
        known = {name: row[name] for name in row if name in self._columns}
        extra = row.get("extra")
        if len(known) + (extra is not None) < len(row):
            others = {name: row[name] for name in row if name not in known}
            others.pop("extra", None)
            extra = _json_text({**json.loads(extra or "{}"), **others})
        return TypedRecord(
            record_id, self.structs.of_row(known), position, extra, record
        )


def _fitting(
    read: Callable[[Any], Struct], elements: Sequence[Any]
) -> tuple[list[Struct], list[int]]:
    """The structs of the elements that have one, and their positions."""
    values: list[Struct] = []
    positions: list[int] = []
    for position, element in enumerate(elements):
        try:
            values.append(read(element))
            positions.append(position)
        except UNREADABLE:
            continue
    return values, positions


def _without(
    unproved: Set[int], values: Sequence[Struct], positions: Sequence[int]
) -> tuple[list[Struct], list[int]]:
    """The structs that are proved, and their positions."""
    proved = [i for i in range(len(values)) if i not in unproved]
    return [values[i] for i in proved], [positions[i] for i in proved]


def _left(positions: Sequence[int], elements: Sequence[Any]) -> list[tuple[int, Any]]:
    """The elements at all other positions, which take the slow path."""
    done = set(positions)
    return [(i, element) for i, element in enumerate(elements) if i not in done]


def _has_data(part: Any) -> bool:
    """Whether an element may be an answer, with the records inside of it (`forms`)."""
    element = orjson.loads(memoryview(part))
    return type(element) is dict and "data" in element


def _joined(typed: list[TypedRecord], slow: list[TypedRecord | Refusal]) -> Typed:
    """The records of both ways in their order."""
    records = [one for one in slow if type(one) is TypedRecord]
    refused = [one for one in slow if type(one) is Refusal]
    if records:
        typed = sorted([*typed, *records], key=lambda record: record.position)
    return Typed(typed, refused)


def _says_anything(row: Row) -> bool:
    """Whether a row has a value beside the name of its dataset."""
    return any(
        name != DATASET_FIELD and value != {} and value != []
        for name, value in row.items()
    )


def _named(refused: ValueRefused, record: Record, written: Record) -> ValueRefused:
    """A refusal of the whole record, with the field that is not finite."""
    for path, value, text in _leaves(record, written, ""):
        if type(value) is float and not math.isfinite(value):
            number = text if type(text) is Literal else value
            # A name of the feed may have half a surrogate pair.
            place = path.encode(errors="backslashreplace").decode()
            why = f"{place}: {number} is not a number that a column can hold"
            return ValueRefused(refused.reason, why)
    return refused


def _leaves(value: Any, written: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """The scalars of a record with their paths, and as they are written."""
    if type(value) is dict:
        for name, inner in value.items():
            yield from _leaves(inner, written[name], join(path, name))
    elif type(value) is list:
        for index, inner in enumerate(value):
            yield from _leaves(inner, written[index], f"{path}[{index}]")
    else:
        yield path, value, written


def _convert_record(
    columns: dict[str, Column],
    record: Record,
    path: str,
    extra: dict[str, Any],
    written: Record,
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
                extra[join(path, name)] = written[name]
            elif column.type == "RECORD":
                place = join(path, name)
                inner = written[name]
                row[name] = _convert_nested(column, value, place, extra, inner)
            elif column.mode == "REPEATED":
                convert = CONVERTERS[column.type]
                row[name] = [convert(item) for item in _array(value)]
            else:
                row[name] = CONVERTERS[column.type](value)
                if column.type == "STRING" and type(written[name]) is Literal:
                    row[name] = str(written[name])
    except ValueRefused as refused:
        if refused.is_placed:
            raise
        raise refused.placed(join(path, name)) from None
    return row


def _convert_nested(
    column: Column, value: Any, path: str, extra: dict[str, Any], written: Any
) -> Row | list[Row]:
    fields = {field.name: field for field in column.fields}
    if column.mode != "REPEATED":
        return _convert_record(fields, _object(value, path), path, extra, written)
    rows = []
    for index, item in enumerate(_array(value)):
        place = f"{path}[{index}]"
        record = _object(item, place)
        rows.append(_convert_record(fields, record, place, extra, written[index]))
    return rows


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
        return json_text(value, sort_keys=True).decode()
    except TypeError:
        return json.dumps(plain_numbers(value), sort_keys=True, separators=(",", ":"))
