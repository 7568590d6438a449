"""The ways in: a Pub/Sub subscription, or files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import apache_beam as beam
from apache_beam.io import fileio
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
    return Message(message.data, message.attributes)


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
    path = PurePosixPath(file.metadata.path)
    name = path.name
    if name.startswith("."):
        return
    attributes = {
        "dataset": path.parent.name or "unknown",
        "message_id": name,
        "publish_id": name,
        "source": "IRIS",
    }
    yield Message(file.read(), attributes)
