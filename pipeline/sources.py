"""The ways in: a Pub/Sub subscription, or files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import apache_beam as beam
from apache_beam.io import fileio
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.gcp.pubsub import PubsubMessage, ReadFromPubSub

from pipeline.decoding import Message


class ReadSubscription(beam.PTransform):
    """Gives `Message` from a Pub/Sub subscription, for ever.

    Args:
        subscription: `projects/P/subscriptions/S`.
        id_label: The attribute by which the source drops a redelivery; Dataflow only.
    """

    def __init__(self, subscription: str, id_label: str | None) -> None:
        super().__init__()
        self.subscription = subscription
        self.id_label = id_label

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Builds the step."""
        return (
            begin
            | "Pull"
            >> ReadFromPubSub(
                subscription=self.subscription,
                id_label=self.id_label,
                with_attributes=True,
            )
            | "To message" >> beam.Map(_from_pubsub)
        )


def _from_pubsub(message: PubsubMessage) -> Any:
    published = message.publish_time
    return Message(
        message.data, message.attributes, published.rfc3339() if published else None
    )


class ReadFiles(beam.PTransform):
    """Gives `Message` from files `<DATASET>/<message_id>`, as Elexon's client does it.

    Args:
        pattern: A glob, or a folder of such folders.
    """

    def __init__(self, pattern: str) -> None:
        super().__init__()
        self.pattern = pattern

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Builds the step."""
        return (
            begin
            | "Match files" >> fileio.MatchFiles(self.pattern)
            | "Spread files" >> beam.Reshuffle()
            | "Open files" >> fileio.ReadMatches()
            | "Read files" >> beam.FlatMap(_from_file)
        )


def _from_file(file: fileio.ReadableFile) -> Iterator[Any]:
    path = PurePosixPath(_printable(file.metadata.path))
    name = path.name
    if name.startswith("."):
        return
    attributes = {
        "dataset": path.parent.name or "unknown",
        "message_id": name,
        "publish_id": name,
        "source": "IRIS",
    }
    # Beam would unpack by the ending of the name, and fail where that is wrong; the
    # decode core looks at the bytes.
    with file.open(compression_type=CompressionTypes.UNCOMPRESSED) as opened:
        yield Message(opened.read(), attributes)


def _printable(path: str) -> str:
    """A path as UTF-8 text, with an escape for every byte that is none."""
    return os.fsencode(path).decode(errors="backslashreplace")
