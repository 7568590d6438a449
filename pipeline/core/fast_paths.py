"""Fast paths: functions that show that a record needs no conversion.

Most records already hold what their columns hold: values of the right types, or nulls,
and times in canonical text. Such a record is its own row. Which checks show it depends
only on the names and types of its values, its form, so this module compiles one
function for each form that a dataset shows. It returns the row and the record whose
JSON is canonical (`identity`), or None where nothing is proved; the record then takes
the slow path of `coercion`, column by column.

For the columns `time` (TIMESTAMP), `level` (FLOAT64), `note` (STRING) and `pair`
(RECORD), a record such as

    {"time": "2026-05-06T02:31:00Z", "level": 49.97, "note": None, "pair": {"to": 1}}

has this function:

    def fast_path(record):
        v0, v1, v2, v3, = record.values()
        if not (
            (v0 in timestamps or is_timestamp(v0))
            and -9007199254740992 < v1 < 9007199254740992
            and (p3 := v3_is_plain(v3)) is not None
        ):
            return None
        if v1.is_integer() or not p3:
            return canonical(record)
        return without_nulls(record)

Its text contains only names of this module; a name from a message is never part of
code that is compiled.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pipeline.core.identity import canonical_form
from pipeline.core.values import DATES, EXACT_FLOAT, INT64_MAX, INT64_MIN, TIMESTAMPS
from pipeline.registry import Column

Record = dict[str, Any]
Row = dict[str, Any]
Shape = tuple[str, ...]
Types = tuple[type, ...]
# The row, and the record whose JSON is canonical; None where nothing is proved.
FastPath = Callable[[Record], tuple[Row, Record] | None]

# A dataset with optional fields (REMIT) shows dozens of forms; the bound is for junk.
# Compiling a function takes some 0.3 ms, ten times what a record takes on the slow
# path. So a form must come twice: a pattern of nulls may never come again.
MAX_FORMS = 512

_TYPES: dict[str, Types] = {
    "STRING": (str,),
    "INT64": (int,),
    "FLOAT64": (float, int),
    "BOOL": (bool,),
    "DATE": (str,),
    "TIMESTAMP": (str,),
    "RECORD": (dict,),
    "REPEATED RECORD": (list,),
}
# What remains to be checked of a value that has one of these types. A double holds
# every whole number within the bounds, so an integer in a FLOAT64 column is that
# number, too.
_CHECKS = {
    "INT64": f"{INT64_MIN} <= {{v}} <= {INT64_MAX}",
    "FLOAT64": f"-{EXACT_FLOAT} < {{v}} < {EXACT_FLOAT}",
    "DATE": "({v} in dates or is_date({v}))",
    "TIMESTAMP": "({v} in timestamps or is_timestamp({v}))",
}


class _Value(NamedTuple):
    """A value in generated code: its number, its column, its type."""

    number: int
    column: Column
    type: type

    @property
    def name(self) -> str:
        """Its variable."""
        return f"v{self.number}"

    @property
    def is_nested(self) -> bool:
        return self.type in (dict, list)

    @property
    def fits(self) -> bool:
        """Whether the column holds values of the type as they are."""
        return self.type in (type(None), *_TYPES.get(self.column.kind, ()))

    @property
    def checks(self) -> Iterator[str]:
        if self.type is not type(None) and self.column.kind in _CHECKS:
            yield _CHECKS[self.column.kind].format(v=self.name)


class FastPaths:
    """The fast paths of some columns, by the names and types of a record's values."""

    def __init__(self, columns: Iterable[Column]) -> None:
        self._columns = {column.name: column for column in columns}
        self._known: dict[tuple[Shape, Types], FastPath | None] = {}

    def of(self, shape: Shape, types: Types) -> FastPath:
        """The fast path of records that have these fields with these types."""
        form = (shape, types)
        fast_path = self._known.get(form)
        if fast_path is None and form in self._known:
            fast_path = self._known[form] = self._compiled(shape, types)
        elif fast_path is None:
            if len(self._known) >= MAX_FORMS:
                self._known.clear()
            self._known[form] = None  # compiled when it comes again
        return fast_path or no_proof

    def is_plain(self, nested: Any) -> bool | None:
        """Whether a nested record is its own row and canonical as it is.

        Returns:
            None where it is not proved to be a record of these columns at all.
        """
        if type(nested) is not dict:
            return None
        fast_path = self.of(tuple(nested), tuple(map(type, nested.values())))
        found = fast_path(nested)
        return found and found[0] is found[1] is nested

    def are_plain(self, nested: list[Any]) -> bool | None:
        """The same for all elements of an array."""
        found = [self.is_plain(record) for record in nested]
        return None if None in found else False not in found

    def source(self, shape: Shape, types: Types) -> str | None:
        """The text of the function; None where no record of the form is its own row."""
        values = self._values(shape, types)
        return _source(values) if values else None

    def _compiled(self, shape: Shape, types: Types) -> FastPath:
        values = self._values(shape, types)
        return _compiled(values) if values else no_proof

    def _values(self, shape: Shape, types: Types) -> list[_Value]:
        """The values of a form; none where a field is unknown or does not fit."""
        values = [
            _Value(number, self._columns[name], kind)
            for number, (name, kind) in enumerate(zip(shape, types, strict=True))
            if name in self._columns
        ]
        is_whole = len(values) == len(shape) and all(value.fits for value in values)
        return values if is_whole else []


def _source(values: Sequence[_Value]) -> str:
    checks = [check for value in values for check in value.checks]
    # In the canonical form a whole number has no fraction.
    not_canonical = [f"{v.name}.is_integer()" for v in values if v.type is float]
    for value in values:
        if value.is_nested:
            plain = f"p{value.number}"
            checks.append(
                f"({plain} := {value.name}_is_plain({value.name})) is not None"
            )
            not_canonical.append(f"not {plain}")
    has_nulls = any(value.type is type(None) for value in values)
    result = "without_nulls(record)" if has_nulls else "record, record"
    lines = [
        "def fast_path(record):",
        f"    {', '.join(value.name for value in values)}, = record.values()",
    ]
    if checks:
        all_checks = "\n        and ".join(checks)
        lines += [
            "    if not (",
            f"        {all_checks}",
            "    ):",
            "        return None",
        ]
    if not_canonical:
        lines += [f"    if {' or '.join(not_canonical)}:"]
        lines += ["        return canonical(record)"]
    lines += [f"    return {result}", ""]
    return "\n".join(lines)


def _compiled(values: Sequence[_Value]) -> FastPath:
    is_deep = any(value.is_nested for value in values)
    scope: dict[str, Any] = {
        "dates": DATES.known,
        "is_date": DATES.is_canonical,
        "timestamps": TIMESTAMPS.known,
        "is_timestamp": TIMESTAMPS.is_canonical,
        "without_nulls": _without_nulls,
        "canonical": _canonical_deep if is_deep else _canonical,
    }
    for value in values:
        if value.is_nested:
            inner = FastPaths(value.column.fields)
            is_plain = inner.is_plain if value.type is dict else inner.are_plain
            scope[f"{value.name}_is_plain"] = is_plain
    exec(_source(values), scope)  # noqa: S102 - our own text, see above
    fast_path: FastPath = scope["fast_path"]
    return fast_path


def no_proof(_record: Record) -> None:
    """The fast path of a form that has none: it proves nothing of any record."""


def _without_nulls(record: Record) -> tuple[Row, Record]:
    """A flat record as a row, which is also its canonical form."""
    row = {name: value for name, value in record.items() if value is not None}
    return row, row


def _canonical(record: Record) -> tuple[Row, Record]:
    """A flat record as a row without nulls, and in its canonical form."""
    row, _ = _without_nulls(record)
    canonical = {
        name: int(value) if type(value) is float and value.is_integer() else value
        for name, value in row.items()
    }
    return row, canonical


def _canonical_deep(record: Record) -> tuple[Row, Record]:
    """The same of a record that holds records."""
    return _without_nested_nulls(record), canonical_form(record, exact=False)


def _without_nested_nulls(value: Any) -> Any:
    if type(value) is dict:
        return {
            name: _without_nested_nulls(inner)
            for name, inner in value.items()
            if inner is not None
        }
    if type(value) is list:
        return [_without_nested_nulls(inner) for inner in value]
    return value
