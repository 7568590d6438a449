"""Structs: the typed values of a dataset's records, read and written in C by msgspec.

A dataset has one type of struct, made from its columns. Its fields are in the order of
their names, and a field without a value is not written: so the JSON that msgspec writes
of a struct is the canonical one (`identity`), without a dictionary and without sorting.

A struct reads only what needs no conversion and is surely read and written as the slow
path of `coercion` does it: known fields, values of the right types, numbers that every
parser reads alike. What else there is to prove, `Structs.unproved` looks at: times in
canonical text, and that there is a value at all. Any other record is not read here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import attrgetter
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, Optional

import msgspec
from msgspec import Meta, Struct

from pipeline.core.values import DATES, EXACT_FLOAT, TIMESTAMPS, TextCache
from pipeline.registry import Column

# A double holds every whole number within these bounds; beyond them JSON's writers
# differ, and BigQuery reads an integer of JSON as a double.
_BOUNDS = Meta(gt=-EXACT_FLOAT, lt=EXACT_FLOAT)
_INTEGER = Annotated[int, _BOUNDS]
_TYPES: dict[str, Any] = {
    "STRING": str,
    "INT64": _INTEGER,
    # An integer stays one: the identity of 350 and 350.0 is that of 350.
    "FLOAT64": _INTEGER | Annotated[float, _BOUNDS],
    "BOOL": bool,
    "DATE": str,
    "TIMESTAMP": str,
}
_INSTANTS: dict[str, TextCache] = {"DATE": DATES, "TIMESTAMP": TIMESTAMPS}

_ENCODER = msgspec.json.Encoder()
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])

Elements = list[msgspec.Raw]


class _Field(NamedTuple):
    """A field of a struct: its place in the type, and how to get it.

    Attributes:
        name: Its name as an attribute; any text may be the name of a column.
        column: The column.
        nested: The structs of a RECORD; None for a scalar.
    """

    name: str
    column: Column
    nested: "Structs | None"

    @property
    def type(self) -> Any:
        if self.nested is None:
            # No column is an array of scalars: the slow path reads one.
            return _TYPES[self.column.type] if not self.is_repeated else None
        return list[self.nested.type] if self.is_repeated else self.nested.type  # type: ignore[name-defined]

    @property
    def is_repeated(self) -> bool:
        return self.column.mode == "REPEATED"


class _Instants:
    """A column of times, which must be canonical texts as they are.

    Attributes:
        get: Returns the value of a struct.
        are_known: Whether all of some values are known as that; one look, in C.
    """

    def __init__(self, name: str, cache: TextCache, *, is_required: bool) -> None:
        self.get = attrgetter(name)
        self._cache = cache
        self._known = cache.known if is_required else cache.known_or_none
        self.are_known = self._known.issuperset

    def wrong(self, values: Sequence[Struct]) -> set[int]:
        """Which structs have another value, by position."""
        new = set(map(self.get, values)) - self._known
        wrong = {
            text for text in new if text is None or not self._cache.is_canonical(text)
        }
        if not wrong:
            return set()
        return {i for i, text in enumerate(map(self.get, values)) if text in wrong}


class Structs:
    """The structs of some columns.

    Args:
        columns: Those of a dataset, or of a RECORD.
        required: A column of times without which a record is not read here.
        texts: For some columns, the only texts that are read here.

    Attributes:
        names: The names of the columns, in the order of the fields.
        type: The type of the structs.
    """

    def __init__(
        self,
        columns: Iterable[Column],
        required: str | None = None,
        texts: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        columns = tuple(columns)
        ordered = sorted(columns, key=lambda column: column.name)
        fields = [_field(number, column) for number, column in enumerate(ordered)]
        types = {field.column.name: field.type for field in fields}
        types |= {name: Literal[texts[name]] for name in types.keys() & texts}
        self.names = tuple(column.name for column in ordered)
        self.type = msgspec.defstruct(
            "Values",
            # `None` alone where the slow path reads the column.
            [(each.name, Optional[types[each.column.name]], None) for each in fields],  # noqa: UP045
            rename=dict(zip((field.name for field in fields), self.names, strict=True)),
            namespace={"order": tuple(column.name for column in columns)},
            forbid_unknown_fields=True,
            omit_defaults=True,
            gc=False,  # values refer to nothing that could refer to them
        )
        self._fields = dict(zip(self.names, fields, strict=True))
        instants = [
            _Instants(
                field.name,
                _INSTANTS[field.column.type],
                is_required=field.column.name == required,
            )
            for field in fields
            if field.column.type in _INSTANTS
        ]
        # As tuples: most messages need no more of them than the first two.
        self._instants = [(each.get, each.are_known, each) for each in instants]
        self._floats = [
            (field.name, attrgetter(field.name))
            for field in fields
            if field.column.type == "FLOAT64"
        ]
        self._nested = [
            (field, field.nested, attrgetter(field.name))
            for field in fields
            if field.nested
        ]
        self._has_numbers = bool(self._floats or self._nested)
        if self._floats:
            # One value for one column, a tuple for several.
            self._floats_of = attrgetter(*(name for name, _ in self._floats))
        self.read = msgspec.json.Decoder(self.type).decode
        self.read_array = msgspec.json.Decoder(list[self.type]).decode  # type: ignore[name-defined]

    def converted(self, record: dict[str, Any]) -> Struct:
        """The struct of a parsed record.

        Raises:
            msgspec.ValidationError: It must take the slow path.
        """
        return msgspec.convert(record, self.type)

    def unproved(self, values: Sequence[Struct]) -> set[int]:
        """Which structs are not proved to be rows as they are, by position."""
        found: set[int] = set()
        for get, are_known, instants in self._instants:
            if not are_known(map(get, values)):
                found |= instants.wrong(values)
        for _, nested, get in self._nested:
            if nested._instants:
                inner = map(get, values)
                found.update(
                    i for i, one in enumerate(inner) if nested.unproved(_each(one))
                )
        return found

    def canonical(self, values: Sequence[Struct]) -> Iterator[bytes]:
        """The canonical JSON of each struct."""
        return map(_ENCODER.encode, self._whole(values))

    def _whole(self, values: Sequence[Struct]) -> Sequence[Struct]:
        """The same structs, or copies with numbers that are whole as integers."""
        if not self._has_numbers:
            return values
        copies: dict[int, Struct] = {}
        if self._may_have_whole(values):
            for name, get in self._floats:
                for i, n in enumerate(map(get, values)):
                    if type(n) is float and n.is_integer():
                        setattr(_copied(copies, values, i), name, int(n))
        for field, nested, get in self._nested:
            inner = [one for each in map(get, values) for one in _each(each)]
            if (whole := nested._whole(inner)) is not inner:
                ones = iter(whole)
                for i, each in enumerate(map(get, values)):
                    if some := list(islice(ones, len(_each(each)))):
                        value = some if field.is_repeated else some[0]
                        setattr(_copied(copies, values, i), field.name, value)
        if not copies:
            return values
        return [copies.get(i, one) for i, one in enumerate(values)]

    def _may_have_whole(self, values: Sequence[Struct]) -> bool:
        """Whether some number may be written with a fraction, and have none."""
        if not self._floats:
            return False
        numbers: Iterable[Any] = map(self._floats_of, values)
        if len(self._floats) > 1:
            numbers = chain.from_iterable(numbers)
        try:
            return any(map(float.is_integer, numbers))
        except TypeError:  # integers are among them, or gaps
            return True

    def of_row(self, row: dict[str, Any]) -> Struct:
        """The struct of typed values, whatever they are.

        Args:
            row: A row of the slow path, which has no unknown fields.
        """
        return self.type(*map(self._value, self.names, map(row.get, self.names)))

    def _value(self, name: str, value: Any) -> Any:
        nested = self._fields[name].nested
        if nested is None or value is None:
            return value
        if self._fields[name].is_repeated:
            return [nested.of_row(inner) for inner in value]
        return nested.of_row(value)

    def columns(self, values: Iterable[Struct]) -> dict[str, Sequence[Any]]:
        """The values of structs by column; those of RECORDs are dictionaries."""
        by_field = zip(*map(msgspec.structs.astuple, values), strict=True)
        found: dict[str, Sequence[Any]] = dict(zip(self.names, by_field, strict=True))
        for name, field in self._fields.items():
            if field.nested:
                found[name] = msgspec.to_builtins(found[name])
        return found

    def getter(self, name: str) -> Callable[[Struct], Any]:
        """A function that returns the value of a column."""
        return attrgetter(self._fields[name].name)


def _field(number: int, column: Column) -> _Field:
    is_record = column.type == "RECORD"
    return _Field(f"c{number}", column, Structs(column.fields) if is_record else None)


def _copied(copies: dict[int, Struct], values: Sequence[Struct], i: int) -> Struct:
    """The copy of a struct, which may be changed; made once."""
    if (one := copies.get(i)) is None:
        one = copies[i] = values[i].__copy__()  # type: ignore[attr-defined]
    return one


def _each(nested: Any) -> Sequence[Struct]:
    if nested is None:
        return ()
    return nested if type(nested) is list else (nested,)


def elements(text: bytes | str) -> Elements:
    """The elements of an array, each as it is in the text.

    Raises:
        msgspec.DecodeError: The text is not an array.
    """
    return _ELEMENTS.decode(text)


def json_of(values: Struct) -> bytes:
    """The JSON of the values that a struct has, open for more members at its end."""
    text = _ENCODER.encode(values)[:-1]
    return text if text == b"{" else text + b","


def plain(values: Struct) -> dict[str, Any]:
    """The values that a struct has, by name, in the order of the registry."""
    row: dict[str, Any] = msgspec.to_builtins(values)
    return {name: row[name] for name in type(values).order if name in row}  # type: ignore[attr-defined]
