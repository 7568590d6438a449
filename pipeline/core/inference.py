"""The column that holds every sample of a field: inferred, and never narrower.

A type stays possible as long as the pipeline's own converter accepts each sample
without loss, so the pipeline never refuses values of the column that is proposed here.
"""

import re
from collections.abc import Iterator
from typing import Any

from pipeline.core.values import CONVERTERS, EXACT_FLOAT, ValueRefused
from pipeline.registry import Column, is_column_name

DESCRIPTION = "Inferred from messages; not described yet."
# BigQuery nests 15 levels; a few are left for the RECORD that a field may be part of.
MAX_LEVELS = 10
# Half of the columns that BigQuery allows a table. Further names are not looked at, and
# stay in `extra`.
MAX_NAMES = 5_000

# The times that BigQuery reads as the pipeline does: the views read the values of older
# rows from text. The pipeline accepts more forms (no seconds, a space before Z).
_PLAIN_TIME = re.compile(
    r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?)?\Z", re.ASCII
)
# Of the types that hold all samples the first one is the column's.
_PREFERENCE = ("BOOL", "INT64", "DATE", "TIMESTAMP", "FLOAT64", "STRING")
_CANDIDATES: dict[type, frozenset[str]] = {
    bool: frozenset({"BOOL"}),
    int: frozenset({"INT64", "FLOAT64", "STRING"}),
    float: frozenset({"FLOAT64", "STRING"}),
    str: frozenset({"DATE", "TIMESTAMP", "STRING"}),
}


class Samples:
    """What is known of the values of one field; it grows with names, not with rows."""

    __slots__ = ("_count", "_fields", "_items", "_kinds", "_level", "_room", "_types")

    def __init__(self, room: Iterator[int] | None = None, level: int = 0) -> None:
        """Begins without any sample.

        Args:
            room: Has a number for each name that may still be looked at.
            level: How many objects the field is inside of.
        """
        self._room = iter(range(MAX_NAMES)) if room is None else room
        self._level = level
        self._count = 0
        self._kinds: set[str] = set()
        self._types = frozenset(_PREFERENCE)
        self._fields: dict[str, Samples] = {}
        self._items: Samples | None = None

    def add(self, value: Any) -> None:
        """Adds one more value: parsed JSON, every integer exact."""
        self._count += 1
        if value is None:
            self._kinds.add("null")
        elif type(value) is dict:
            self._kinds.add("object")
            self._add_fields(value)
        elif type(value) is list:
            self._kinds.add("array")
            self._items = self._items or Samples(self._room, self._level)
            # An array in an array cannot be a column, whatever it contains.
            for item in value:
                self._items.add([] if type(item) is list else item)
        else:
            self._kinds.add("scalar")
            possible = self._types & _CANDIDATES[type(value)]
            self._types = frozenset(kind for kind in possible if _holds(kind, value))

    def _add_fields(self, value: dict[str, Any]) -> None:
        for name, inner in value.items():
            if inner is None or self._level >= MAX_LEVELS:
                continue
            if name not in self._fields:
                if next(self._room, None) is None:
                    continue
                self._fields[name] = Samples(self._room, self._level + 1)
            self._fields[name].add(inner)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its objects' fields."""
        return tuple(self._fields)

    def always_has(self, name: str) -> bool:
        """Whether every object has a value under that name."""
        return self._fields[name]._count == self._count

    @property
    def problem(self) -> str:
        """Why no column can hold all samples; empty if one can."""
        if len(self._kinds) != 1:
            kinds = " and ".join(sorted(self._kinds))
            return (
                f"its values are of different kinds: {kinds}" if kinds else "no value"
            )
        if self._items is not None:
            return self._problem_of_items(self._items)
        if "object" in self._kinds:
            return (
                "" if self.fields() else "its objects hold nothing to make columns of"
            )
        return "" if self._types else "no type holds all of its values"

    @staticmethod
    def _problem_of_items(items: "Samples") -> str:
        if not items._kinds:
            return "only empty arrays were seen"
        if items._kinds & {"array", "null"}:
            return "BigQuery has no arrays of arrays or nulls"
        return items.problem

    def fields(self, description: str = DESCRIPTION) -> tuple[Column, ...]:
        """The columns of its objects; a field that cannot be one stays in `extra`."""
        columns: dict[str, Column] = {}
        for name, samples in self._fields.items():
            # BigQuery ignores the case of names: the first one is the column.
            fits = is_column_name(name) and name.lower() not in columns
            if fits and not samples.problem:
                columns[name.lower()] = samples.column(name, description)
        return tuple(columns.values())

    def column(self, name: str, description: str = DESCRIPTION) -> Column:
        """The column that holds all samples; `problem` must be empty."""
        values, mode = (
            (self, "NULLABLE") if self._items is None else (self._items, "REPEATED")
        )
        fields = values.fields(description)
        kind = "RECORD" if fields else min(values._types, key=_PREFERENCE.index)
        return Column(name, kind, mode, description=description, fields=fields)


def _holds(kind: str, value: Any) -> bool:
    """Whether a column of that type holds the value, and all like it."""
    if kind == "FLOAT64" and type(value) is int and abs(value) > EXACT_FLOAT:
        return False  # this one may fit, but the next one would be rounded
    if kind == "TIMESTAMP" and not _PLAIN_TIME.match(value):
        return False
    try:
        held = CONVERTERS[kind](value)
    except ValueRefused:
        return False
    # A time at midnight is a day to the converter, but the field holds times.
    return kind != "DATE" or bool(held == value)
