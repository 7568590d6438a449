"""IRIS queue: a session with Azure Service Bus, opened and closed within bounds."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from azure.core.pipeline import PipelineResponse
from azure.identity.aio import ClientSecretCredential
from azure.servicebus import ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver
from azure.servicebus.exceptions import (
    OperationTimeoutError,
    ServiceBusCommunicationError,
    ServiceBusConnectionError,
    ServiceBusError,
)

from bridge import envelope
from bridge.settings import Settings

# With the defaults, a broker that stopped answering held one complete for 72 s. These
# limit one call.
OUTCOME_SECONDS = 20.0
TRY_SECONDS = 15.0
# The relay itself tries again, with a new client: concurrent calls that repair one
# connection would break it for each other.
RETRIES = 0
# How long the client waits for one more frame. Concurrent completes read each other's
# answers, so the last ones wait this long for nothing: the default of 0.2 s would
# double the time of a batch. Each waiting call wakes up at this interval: a shorter one
# gains nothing on loopback, and far away costs a fifth more processor time.
# It is an option of the receiver; the client accepts it too, and ignores it.
SOCKET_SECONDS = 0.02
OPEN_SECONDS = 20.0
ANSWER_SECONDS = 10.0
CLOSE_SECONDS = 5.0

# How long one receive call waits for a first message.
RECEIVE_SECONDS = 2.0
# Some ten seconds of IRIS, a megabyte or two.
PEEKED_MESSAGES = 32


@asynccontextmanager
async def session(
    settings: Settings, *, dead_letters: bool = False
) -> AsyncIterator[ServiceBusReceiver]:
    """A receiver in peek-lock mode on a connection of its own.

    Args:
        settings: The queue.
        dead_letters: Receive from its dead-letter sub-queue instead.

    Raises:
        azure.core.exceptions.AzureError: No connection, no permission, no such queue.
        TimeoutError: The queue does not answer.
    """
    stack, connections = AsyncExitStack(), _Connections()
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            client = await stack.enter_async_context(await _client(settings, stack))
            receiver = client.get_queue_receiver(
                settings.queue_name,
                sub_queue=ServiceBusSubQueue.DEAD_LETTER if dead_letters else None,
                timeout=OUTCOME_SECONDS,
                socket_timeout=SOCKET_SECONDS,
            )
            connections.note(receiver)
            await stack.enter_async_context(receiver)
        _never_reopen(receiver)
        yield receiver
    finally:
        await _close(stack)
        connections.cut()


async def next_datasets(settings: Settings) -> list[str]:
    """The datasets of the next messages on the queue, which stay there, unlocked.

    Raises:
        azure.core.exceptions.AzureError: The queue cannot be read.
        TimeoutError: The queue does not answer.
    """
    async with session(settings) as receiver:
        try:
            messages = await receiver.peek_messages(PEEKED_MESSAGES)
        except ServiceBusError:
            pass
        else:
            return [str(each.subject or envelope.UNKNOWN_DATASET) for each in messages]
    # A link that is refused is opened first, and detached with the reason a moment
    # later. Of all calls, only one that receives reports this reason.
    async with session(settings) as receiver:
        for message in await receiver.receive_messages(1, RECEIVE_SECONDS):
            await receiver.abandon_message(message)
    return []


async def ask(receiver: ServiceBusReceiver) -> None:
    """Returns once the queue has answered a question, whatever it says.

    Raises:
        ServiceBusConnectionError: The link is lost.
        TimeoutError: The queue does not answer.
    """
    async with asyncio.timeout(ANSWER_SECONDS):
        try:
            await receiver.peek_messages(1)
        except (
            OperationTimeoutError,
            ServiceBusConnectionError,
            ServiceBusCommunicationError,
        ):
            raise
        except ServiceBusError:  # a refusal is an answer
            pass


def credential(
    settings: Settings,
    answered: Callable[[PipelineResponse[Any, Any]], None] | None = None,
) -> ClientSecretCredential:
    """The credential that identifies this client to Entra ID.

    Args:
        settings: With the client's id and secret.
        answered: Called with each answer of Entra ID.
    """
    return ClientSecretCredential(
        settings.tenant_id,
        str(settings.client_id),
        str(settings.client_secret),
        retry_total=RETRIES,
        raw_response_hook=answered,
    )


async def _client(settings: Settings, stack: AsyncExitStack) -> ServiceBusClient:
    limits: dict[str, Any] = {"try_timeout": TRY_SECONDS, "retry_total": RETRIES}
    if settings.connection_string:
        return ServiceBusClient.from_connection_string(
            settings.connection_string, **limits
        )
    identity = await stack.enter_async_context(credential(settings))
    # Networks that inspect TLS need a certificate of their own. Entra ID's client reads
    # this variable by itself.
    limits["connection_verify"] = os.environ.get("SSL_CERT_FILE")
    return ServiceBusClient(settings.namespace, identity, **limits)


def _never_reopen(receiver: ServiceBusReceiver) -> None:
    """Makes every call on a lost link fail instead of opening a link of its own.

    The SDK repairs a link within each call that finds it lost. With 500 completes at
    once that opened more than a hundred connections, and never closed them. The SDK has
    no option to prevent it.
    """

    async def refuse(timeout: float | None = None) -> None:
        if not receiver._running:
            raise ServiceBusConnectionError(message="The link to the queue is lost.")

    receiver._open = refuse  # type: ignore[method-assign] # on purpose


class _Connections:
    """The connections of one session, to be cut at its end.

    The SDK closes the socket of a connection that both sides close. If the queue was
    lost, or the closing takes too long, it leaves the socket to Python's collector:
    after an hour of cut and silent connections a bridge had six of them, with what they
    had received (measured). There is no public way to them.
    """

    def __init__(self) -> None:
        self._found: list[Any] = []

    def note(self, receiver: ServiceBusReceiver) -> None:
        """Notes what the receiver opens from now on."""
        create_handler = receiver._create_handler

        def create_and_note(auth: Any) -> None:
            create_handler(auth)
            handler: Any = receiver._handler
            open_handler = handler.open_async

            async def open_and_note(*options: Any, **more: Any) -> None:
                try:
                    await open_handler(*options, **more)
                finally:
                    self._found.append(handler._connection)

            handler.open_async = open_and_note

        receiver._create_handler = create_and_note  # type: ignore[method-assign] # on purpose

    def cut(self) -> None:
        """Closes each socket that is still open."""
        for connection in filter(None, self._found):
            writer = getattr(connection._transport, "writer", None)
            if writer is not None:
                writer.transport.abort()
        self._found.clear()


async def _close(stack: AsyncExitStack) -> None:
    """Closes what can be closed in time; a lost link may never answer."""
    closing = asyncio.create_task(stack.aclose())
    ended = asyncio.gather(closing, return_exceptions=True)  # whatever its error
    await asyncio.wait([ended], timeout=CLOSE_SECONDS)
    closing.cancel()
