"""Publisher: one publish request to Pub/Sub at a time, without retries."""

from collections.abc import Iterable, Sequence

import grpc
from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError
from google.pubsub_v1 import types
from google.pubsub_v1.services.publisher import PublisherAsyncClient
from google.pubsub_v1.services.publisher.transports import (
    PublisherGrpcAsyncIOTransport,
)

from bridge.envelope import Envelope
from command import network
from command.usage import UsageError

# Pub/Sub accepts 1,000 messages and 10 MB a request. With one megabyte the round trip
# is cheap already, and the copies in memory are small.
MAX_REQUEST_MESSAGES = 1_000
MAX_REQUEST_BYTES = 1_000_000

# The client library's default. A shorter one would publish slow requests twice.
REQUEST_SECONDS = 60.0

CHANNEL_OPTIONS = [
    *network.grpc_options(),
    # gRPC waits up to two minutes before it tries a refused server again.
    ("grpc.max_reconnect_backoff_ms", 2_000),
]


class Publisher:
    """Publishes envelopes to one topic; use it in the event loop that created it."""

    def __init__(self, topic: str, emulator_host: str | None = None) -> None:
        """Opens a channel; nothing is sent yet.

        Raises:
            UsageError: There are no Google credentials.
        """
        self.topic = topic
        self.client = connect(emulator_host)

    async def publish(self, envelopes: Iterable[Envelope]) -> None:
        """Publishes in one request; on return Pub/Sub has every message.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: It has none of them, or it is
                not known.
        """
        request = types.PublishRequest.pb()(topic=self.topic)
        for envelope in envelopes:
            request.messages.add(data=envelope.data, attributes=envelope.attributes)
        await self.client.publish(
            types.PublishRequest.wrap(request), retry=None, timeout=REQUEST_SECONDS
        )

    async def close(self) -> None:
        """Closes the channel."""
        await self.client.transport.close()


def connect(emulator_host: str | None) -> PublisherAsyncClient:
    """A client of Pub/Sub, or of the local one at `emulator_host` (`host:port`).

    Raises:
        UsageError: There are no Google credentials.
    """
    channel = (
        grpc.aio.insecure_channel(emulator_host, options=CHANNEL_OPTIONS)
        if emulator_host
        else _authorized_channel()
    )
    return PublisherAsyncClient(
        transport=PublisherGrpcAsyncIOTransport(channel=channel)
    )


def _authorized_channel() -> grpc.aio.Channel:
    try:
        return PublisherGrpcAsyncIOTransport.create_channel(options=CHANNEL_OPTIONS)
    except DefaultCredentialsError:
        raise UsageError(
            "no Google credentials: run `gcloud auth application-default login`, or "
            "set GOOGLE_APPLICATION_CREDENTIALS (PUBSUB_EMULATOR_HOST for a local "
            "Pub/Sub)"
        ) from None


def requests(sizes_bytes: Sequence[int]) -> list[range]:
    """Splits messages of these sizes, in order, into requests within the limits.

    Returns:
        The index range of each request; a message above the bytes has its own.
    """
    ranges: list[range] = []
    start = total_bytes = 0
    for index, size_bytes in enumerate(sizes_bytes):
        total_bytes += size_bytes
        is_over = total_bytes > MAX_REQUEST_BYTES
        if index > start and (is_over or index - start == MAX_REQUEST_MESSAGES):
            ranges.append(range(start, index))
            start, total_bytes = index, size_bytes
    if sizes_bytes:
        ranges.append(range(start, len(sizes_bytes)))
    return ranges


def advice(error: BaseException, topic: str) -> str:
    """What the user can do about a failed publish, in one line."""
    if isinstance(error, exceptions.NotFound):
        return f"{topic} does not exist: run `gcloud pubsub topics create {topic}`"
    if isinstance(error, exceptions.PermissionDenied):
        return f"grant roles/pubsub.publisher on {topic} to this account"
    if isinstance(error, exceptions.Unauthenticated):
        return "renew the Google credentials of this account"
    if isinstance(error, exceptions.InvalidArgument):
        return f"{topic} refuses the message: the topic must not have a schema"
    return (
        "messages are kept; if this continues, check the network and "
        "PUBSUB_EMULATOR_HOST"
    )
