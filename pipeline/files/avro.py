"""One file of the raw archive: messages as they came, in an Avro container.

The schema is that of `Message`. Blocks are some 16 kB, so a file of any size is written
and read with little memory, and all whole blocks of a file that is cut off can be read.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import fastavro

from pipeline.core.decoding import Message

SUFFIX = ".avro"
CODEC = "deflate"
SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Message",
        "namespace": "gb_iris",
        "doc": "A message of IRIS as the pipeline received it.",
        "fields": [
            {"name": "data", "type": "bytes", "doc": "The body, unchanged."},
            {"name": "attributes", "type": {"type": "map", "values": "string"}},
            {
                "name": "published_utc",
                "type": ["null", "string"],
                "default": None,
                "doc": "When Pub/Sub took it, RFC 3339.",
            },
            {
                "name": "fault",
                "type": ["null", "string"],
                "default": None,
                "doc": "Why its bytes could not be read.",
            },
        ],
    }
)
# What fastavro raises for bytes that are not a whole file of ours.
_UNREADABLE = (
    ValueError,  # not Avro, a wrong sync marker, text that is not UTF-8
    EOFError,
    LookupError,  # a codec or a branch that does not exist
    TypeError,
    OverflowError,
    MemoryError,  # a length that was never written
    zlib.error,
    fastavro.schema.SchemaParseException,
    fastavro.read.SchemaResolutionError,
)


def write_messages(opened: BinaryIO, messages: Iterable[Message]) -> None:
    """Writes a file from its beginning."""
    records = (
        {
            "data": message.data,
            "attributes": dict(message.attributes),
            "published_utc": message.published_utc,
            "fault": message.fault,
        }
        for message in messages
    )
    fastavro.writer(opened, SCHEMA, records, codec=CODEC)


def read_messages(opened: BinaryIO, name: str) -> Iterator[Message]:
    """Yields the messages of a file, one block in memory at a time.

    Args:
        opened: The file, at its beginning.
        name: Its name, for the fault.

    Yields:
        Every message of the whole blocks; if the file is cut off or broken, then one
        that has only the fault, with the dataset of the message before it.
    """
    blocks = _blocks(opened)
    dataset, count = "unknown", 0
    while True:
        try:
            messages = next(blocks, None)
        except _UNREADABLE as error:
            why = str(error).strip() or type(error).__name__
            text = f"{name} is cut off or broken after {count} messages: {why}"
            attributes = {"dataset": dataset, "message_id": name, "publish_id": name}
            yield Message(b"", attributes, fault=text)
            return
        if messages is None:
            return
        for message in messages:
            dataset, count = message.dataset, count + 1
            yield message


def copy_messages(opened: BinaryIO, sources: Iterable[BinaryIO]) -> None:
    """Writes the messages of whole files into one.

    Raises:
        ValueError: A source is not whole.
    """
    writer = fastavro.write.Writer(opened, SCHEMA, codec=CODEC)
    for source in sources:
        try:
            for block in fastavro.block_reader(source):
                writer.write_block(block)
        except _UNREADABLE as error:
            raise ValueError(f"a raw archive file is not whole: {error}") from None
    writer.flush()


def _blocks(opened: BinaryIO) -> Iterator[list[Message]]:
    reader = fastavro.block_reader(opened, reader_schema=SCHEMA)
    end = None
    for block in reader:
        end = block.offset + block.size
        yield [_message(record) for record in block]
    # A count that is cut off in the middle looks like the end of the file; and no file
    # is written without a message.
    if end is None or opened.tell() != end:
        raise EOFError("the file is cut off")


def _message(record: Any) -> Message:
    return Message(
        record["data"], record["attributes"], record["published_utc"], record["fault"]
    )
