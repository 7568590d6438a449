"""Publisher: the network shell around Pub/Sub. One request, no retries of its own."""

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
from command.usage import UsageError

# Pub/Sub takes 1,000 messages and 10 MB a request. One megabyte is enough to make the
# round trip cheap, and few copies are in memory at once.
MAX_REQUEST_MESSAGES = 1_000
MAX_REQUEST_BYTES = 1_000_000

# The client library's own default. Shorter would publish twice what is only slow.
REQUEST_SECONDS = 60.0

CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    # gRPC waits up to two minutes before it tries a refused server again.
    ("grpc.max_reconnect_backoff_ms", 2_000),
]


class Publisher:
    """Publishes envelopes to one topic; use it inside the loop that made it."""

    def __init__(self, topic: str, emulator_host: str | None = None) -> None:
        """Opens a channel; nothing is sent yet.

        Raises:
            UsageError: There are no Google credentials.
        """
        self.topic = topic
        self.client = connect(emulator_host)

    async def publish(self, envelopes: Iterable[Envelope]) -> None:
        """Returns when Pub/Sub has every message of this one request.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: It has none, or nobody knows.
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
            "no Google credentials: gcloud auth application-default login, or set "
            "GOOGLE_APPLICATION_CREDENTIALS (PUBSUB_EMULATOR_HOST for a local Pub/Sub)"
        ) from None


def requests(sizes_bytes: Sequence[int]) -> list[range]:
    """Splits messages of these sizes, in order, into requests within the limits.

    Returns:
        The index range of each request; a message over the bytes stands alone.
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
    """What the user can do about a failed publish, in one sentence."""
    if isinstance(error, exceptions.NotFound):
        return f"{topic} does not exist: gcloud pubsub topics create {topic}"
    if isinstance(error, exceptions.PermissionDenied):
        return f"grant roles/pubsub.publisher on {topic} to this account"
    if isinstance(error, exceptions.InvalidArgument):
        return f"{topic} refuses the message: it must have no schema"
    return "messages are held; if it lasts, check the network and PUBSUB_EMULATOR_HOST"
