"""Proofs: that a record is its own row, by code compiled for its form.

Most records already have the types of their columns, or nulls, and canonical times. For
the names and types of the values that a dataset shows, a function is compiled that
proves the rest of it: bounds and times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pipeline.core.identity import canonical_form
from pipeline.core.values import DATES, EXACT_FLOAT, INT64_MAX, INT64_MIN, TIMESTAMPS
from pipeline.registry import Column

Record = dict[str, Any]
Row = dict[str, Any]
Shape = tuple[str, ...]
Types = tuple[type, ...]
# The row, and the record whose JSON is the canonical one; None where it is no proof.
Proof = Callable[[Record], tuple[Row, Record] | None]

# A dataset with optional fields (REMIT) shows dozens of forms; the bound is for junk. A
# proof takes some 0.3 ms to compile, ten times what a record takes without: so a form
# must come twice, or any pattern of nulls that never comes again would cost as much.
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
# What is left to prove, in generated code, of a value that has one of these types. A
# double holds every whole number within the bounds, so that an integer in a FLOAT64
# column is that number, too.
_BOUNDS = {
    "INT64": f"{INT64_MIN} <= {{v}} <= {INT64_MAX}",
    "FLOAT64": f"-{EXACT_FLOAT} < {{v}} < {EXACT_FLOAT}",
    "DATE": "({v} in dates or is_date({v}))",
    "TIMESTAMP": "({v} in timestamps or is_timestamp({v}))",
}


class _Value(NamedTuple):
    """A value in generated code: its variable, its column, its type."""

    name: str
    column: Column
    type: type

    @property
    def is_possible(self) -> bool:
        """Whether the column holds values of the type as they are."""
        return self.type in (type(None), *_TYPES.get(self.column.kind, ()))

    @property
    def bounds(self) -> Iterator[str]:
        """What is to be proved of it."""
        if self.type is not type(None) and self.column.kind in _BOUNDS:
            yield _BOUNDS[self.column.kind].format(v=self.name)


class Proofs:
    """The proofs of some columns, by the names and types of a record's values."""

    def __init__(self, columns: Iterable[Column]) -> None:
        self._columns = {column.name: column for column in columns}
        self._proofs: dict[tuple[Shape, Types], Proof | None] = {}

    def of(self, shape: Shape, types: Types) -> Proof:
        """The proof that a record with these fields and types is its own row."""
        form = (shape, types)
        proof = self._proofs.get(form)
        if proof is None and form in self._proofs:
            proof = self._proofs[form] = self._compiled(shape, types)
        elif proof is None:
            if len(self._proofs) >= MAX_FORMS:
                self._proofs.clear()
            self._proofs[form] = None  # compiled when it comes again
        return proof or never

    def is_tidy(self, nested: Any) -> bool | None:
        """Whether a nested record is its own row and canonical as it stands.

        Returns:
            None where it is not proved to be a record of these columns at all.
        """
        if type(nested) is not dict:
            return None
        proof = self.of(tuple(nested), tuple(map(type, nested.values())))
        found = proof(nested)
        return found and found[0] is found[1] is nested

    def are_tidy(self, nested: list[Any]) -> bool | None:
        """The same of the elements of an array, all of them."""
        found = [self.is_tidy(record) for record in nested]
        return None if None in found else False not in found

    def _compiled(self, shape: Shape, types: Types) -> Proof:
        values = [
            _Value(f"v{index}", self._columns[name], kind)
            for index, (name, kind) in enumerate(zip(shape, types, strict=True))
            if name in self._columns
        ]
        if not shape or len(values) < len(shape):
            return never
        if not all(value.is_possible for value in values):
            return never
        return _compiled(values)


def _compiled(values: list[_Value]) -> Proof:
    bounds = [bound for value in values for bound in value.bounds]
    # In the canonical form a whole number has no fraction.
    untidy = [f"{value.name}.is_integer()" for value in values if value.type is float]
    nested = [value for value in values if value.type in (dict, list)]
    for value in nested:
        bounds.append(f"(t{value.name} := {value.name}_tidy({value.name})) is not None")
        untidy.append(f"not t{value.name}")
    has_nulls = any(value.type is type(None) for value in values)
    tidy = "without_nulls(record)" if has_nulls else "record, record"
    # Only names of ours enter the source; those of fields never do.
    source = (
        "def own_row(record):\n"
        f"    {', '.join(value.name for value in values)}, = record.values()\n"
        f"    if not ({' and '.join(bounds) or True}):\n"
        "        return None\n"
        f"    if {' or '.join(untidy) or False}:\n"
        "        return tidied(record)\n"
        f"    return {tidy}\n"
    )
    scope: dict[str, Any] = {
        "dates": DATES.known,
        "is_date": DATES.is_canonical,
        "timestamps": TIMESTAMPS.known,
        "is_timestamp": TIMESTAMPS.is_canonical,
        "without_nulls": _without_nulls,
        "tidied": _tidied_deep if nested else _tidied,
    }
    for value in nested:
        proofs = Proofs(value.column.fields)
        is_tidy = proofs.is_tidy if value.type is dict else proofs.are_tidy
        scope[f"{value.name}_tidy"] = is_tidy
    exec(source, scope)  # noqa: S102
    proof: Proof = scope["own_row"]
    return proof


def never(_record: Record) -> None:
    """The proof of a shape that no record of is its own row."""


def _without_nulls(record: Record) -> tuple[Row, Record]:
    """A flat record as a row, which is its canonical form as well."""
    row = {name: value for name, value in record.items() if value is not None}
    return row, row


def _tidied(record: Record) -> tuple[Row, Record]:
    """A flat record as a row without nulls, and in its canonical form."""
    row, _ = _without_nulls(record)
    canonical = {
        name: int(value) if type(value) is float and value.is_integer() else value
        for name, value in row.items()
    }
    return row, canonical


def _tidied_deep(record: Record) -> tuple[Row, Record]:
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
