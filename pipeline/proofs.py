"""Proofs: that a record is its own row, by code compiled for its shape.

Most records already have the types of their columns, or nulls, and canonical times. For
each order of keys that a dataset shows, a function is compiled that proves this in one
pass over the values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pipeline.identity import canonical_form
from pipeline.registry import Column
from pipeline.values import DATES, EXACT_FLOAT, INT64_MAX, INT64_MIN, TIMESTAMPS

Record = dict[str, Any]
Row = dict[str, Any]
Shape = tuple[str, ...]
# The row, and the record whose JSON is the canonical one; None where it is no proof.
Proof = Callable[[Record], tuple[Row, Record] | None]

# A dataset with optional fields (REMIT) shows dozens of shapes; the bound is for junk.
MAX_SHAPES = 256

# What proves, in generated code, that a value is already what its column holds; a null
# is, in any column. A double holds every whole number within these bounds, so that an
# integer in a FLOAT64 column is that number, too.
_PROOFS = {
    "STRING": "type({v}) is str",
    "INT64": f"type({{v}}) is int and {INT64_MIN} <= {{v}} <= {INT64_MAX}",
    "FLOAT64": "(type({v}) is float or type({v}) is int)"
    f" and -{EXACT_FLOAT} < {{v}} < {EXACT_FLOAT}",
    "BOOL": "type({v}) is bool",
    "DATE": "type({v}) is str and {v} in dates",
    "TIMESTAMP": "type({v}) is str and {v} in timestamps",
    "RECORD": "{v}_holds({v})",
    "REPEATED RECORD": "type({v}) is list and all(map({v}_holds, {v}))",
}
# What tells that a record is not its own canonical form: a whole number has no fraction
# there. What is nested is not looked into.
_UNTIDY = {
    "FLOAT64": "type({v}) is float and {v}.is_integer()",
    "RECORD": "{v} is not None",
    "REPEATED RECORD": "{v} is not None",
}
_NESTED = ("RECORD", "REPEATED RECORD")


class Proofs:
    """The proofs of some columns, by shape."""

    def __init__(self, columns: Iterable[Column]) -> None:
        self._columns = {column.name: column for column in columns}
        self._proofs: dict[Shape, Proof] = {}

    def of(self, shape: Shape) -> Proof:
        """The compiled proof that a record of this shape is its own row."""
        proof = self._proofs.get(shape)
        if proof is None:
            if len(self._proofs) >= MAX_SHAPES:
                self._proofs.clear()
            proof = self._proofs[shape] = self._compile(shape)
        return proof

    def holds(self, value: Any) -> bool:
        """Whether a nested value is a record that these columns hold as it is."""
        return type(value) is dict and self.of(tuple(value))(value) is not None

    def _compile(self, shape: Shape) -> Proof:
        known = [self._columns[name] for name in shape if name in self._columns]
        kinds = [column.kind for column in known]
        if not shape or len(known) < len(shape) or not _PROOFS.keys() >= set(kinds):
            return never
        names = [f"v{index}" for index in range(len(shape))]
        named = list(zip(names, kinds, strict=True))
        holding = [f"({_PROOFS[kind].format(v=v)} or {v} is None)" for v, kind in named]
        untidy = [_UNTIDY[kind].format(v=v) for v, kind in named if kind in _UNTIDY]
        # Only types of the registry enter the source; names of fields never do.
        source = (
            "def own_row(record):\n"
            "    values = record.values()\n"
            f"    {', '.join(names)}, = values\n"
            f"    if not ({' and '.join(holding)}):\n"
            "        return None\n"
            f"    if {' or '.join(['None in values', *untidy])}:\n"
            "        return tidied(record)\n"
            "    return record, record\n"
        )
        is_flat = not set(kinds) & set(_NESTED)
        scope: dict[str, Any] = {
            "dates": DATES.known,
            "timestamps": TIMESTAMPS.known,
            "tidied": _tidied if is_flat else _tidied_deep,
        }
        for (name, kind), column in zip(named, known, strict=True):
            if kind in _NESTED:
                scope[f"{name}_holds"] = Proofs(column.fields).holds
        exec(source, scope)  # noqa: S102
        proof: Proof = scope["own_row"]
        return proof


def never(_record: Record) -> None:
    """The proof of a shape that no record of is its own row."""


def _tidied(record: Record) -> tuple[Row, Record]:
    """A flat record as a row without nulls, and in its canonical form."""
    row = {name: value for name, value in record.items() if value is not None}
    canonical = {
        name: int(value) if type(value) is float and value.is_integer() else value
        for name, value in row.items()
    }
    return row, canonical


def _tidied_deep(record: Record) -> tuple[Row, Record]:
    return _without_nulls(record), canonical_form(record, exact=False)


def _without_nulls(value: Any) -> Any:
    if type(value) is dict:
        return {
            name: _without_nulls(inner)
            for name, inner in value.items()
            if inner is not None
        }
    if type(value) is list:
        return [_without_nulls(inner) for inner in value]
    return value
