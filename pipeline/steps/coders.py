"""Coders: what travels through the graph as bytes, each with the number of its format.

Without them Beam pickles these classes by the path of their module: a running job could
not be updated to a release in which one of them moved or gained a field. Bytes begin
with the number of the format; behind it are plain values in Beam's own encoding of
primitives, which Beam keeps over its releases. A new field means a new number, and a
reader for the old one stays.
"""

from collections.abc import Callable
from typing import Any

from apache_beam import coders

from pipeline.core.batches import RowBatch, TableRow, batch_of
from pipeline.core.decoding import Message

_PRIMITIVES = coders.FastPrimitivesCoder()


class _VersionedCoder(coders.Coder):
    """A coder of one class.

    Attributes:
        kind: The class.
        readers: What makes an instance of the plain values, by the format's number;
            the highest is that of the writer.
    """

    kind: type
    readers: dict[int, Callable[[Any], Any]]

    def plain(self, value: Any) -> Any:
        """The plain values of an instance, in the newest format."""
        raise NotImplementedError

    def encode(self, value: Any) -> bytes:
        encoded: bytes = _PRIMITIVES.encode(self.plain(value))
        return bytes([max(self.readers)]) + encoded

    def decode(self, encoded: bytes) -> Any:
        """Reads bytes of this release, or of one before it.

        Raises:
            ValueError: A newer release wrote them.
        """
        if (reader := self.readers.get(encoded[0])) is None:
            raise ValueError(
                f"format {encoded[0]} of {self.kind.__name__} is newer than this "
                f"release, which reads up to {max(self.readers)}"
            )
        return reader(_PRIMITIVES.decode(encoded[1:]))

    def is_deterministic(self) -> bool:
        return False  # keys keep their order, which is not part of the value

    def to_type_hint(self) -> type:
        return self.kind

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


class MessageCoder(_VersionedCoder):
    """`Message` as bytes."""

    kind = Message
    readers = {1: lambda fields: Message(*fields)}  # noqa: RUF012 - a constant

    def plain(self, value: Message) -> Any:
        return (value.data, dict(value.attributes), value.published_utc, value.fault)


class RowBatchCoder(_VersionedCoder):
    """`RowBatch` as bytes; a record that is its own row is written once."""

    kind = RowBatch
    # Format 1 has records as they came in Beam's encoding, format 2 as JSON.
    readers = dict.fromkeys((1, 2), lambda fields: batch_of(*fields))

    def plain(self, value: RowBatch) -> Any:
        return value.plain


class TableRowCoder(_VersionedCoder):
    """`TableRow` as bytes."""

    kind = TableRow
    readers = {1: lambda fields: TableRow(*fields)}  # noqa: RUF012 - a constant

    def plain(self, value: TableRow) -> Any:
        return tuple(value)


class ElementCoder(coders.Coder):
    """`RowBatch` or `TableRow` as bytes, for state that may hold either."""

    def encode(self, value: RowBatch | TableRow) -> bytes:
        coder = next(each for each in _ELEMENTS if each.kind is type(value))
        return bytes([_ELEMENTS.index(coder)]) + coder.encode(value)

    def decode(self, encoded: bytes) -> Any:
        return _ELEMENTS[encoded[0]].decode(encoded[1:])

    def is_deterministic(self) -> bool:
        return False


# Their order is part of the format.
_ELEMENTS = (RowBatchCoder(), TableRowCoder())


def register() -> None:
    """Has Beam use these coders for values of these classes."""
    for coder in (MessageCoder, RowBatchCoder, TableRowCoder):
        coders.registry.register_coder(coder.kind, coder)
