"""IRIS queue: a session with Azure Service Bus, opened and closed within bounds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import ClientSecretCredential
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver
from azure.servicebus.exceptions import (
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusConnectionError,
    ServiceBusQuotaExceededError,
)

from bridge import sharing
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
CLOSE_SECONDS = 5.0

AUTHENTICATION_ERRORS = (ClientAuthenticationError, ServiceBusAuthenticationError)


@asynccontextmanager
async def session(settings: Settings) -> AsyncIterator[ServiceBusReceiver]:
    """A receiver in peek-lock mode on a connection of its own.

    Raises:
        azure.core.exceptions.AzureError: No connection, no permission, no such queue.
        TimeoutError: The queue does not answer.
    """
    stack = AsyncExitStack()
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            client = await stack.enter_async_context(await _client(settings, stack))
            receiver = client.get_queue_receiver(
                settings.queue_name,
                timeout=OUTCOME_SECONDS,
                socket_timeout=SOCKET_SECONDS,
            )
            await stack.enter_async_context(receiver)
        _never_reopen(receiver)
        yield receiver
    finally:
        await _close(stack)


def credential(settings: Settings) -> ClientSecretCredential:
    """The credential that identifies this client to Entra ID."""
    return ClientSecretCredential(
        settings.tenant_id,
        str(settings.client_id),
        str(settings.client_secret),
        retry_total=RETRIES,
    )


async def _client(settings: Settings, stack: AsyncExitStack) -> ServiceBusClient:
    limits: dict[str, Any] = {"try_timeout": TRY_SECONDS, "retry_total": RETRIES}
    if settings.connection_string:
        return ServiceBusClient.from_connection_string(
            settings.connection_string, **limits
        )
    identity = await stack.enter_async_context(credential(settings))
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


async def _close(stack: AsyncExitStack) -> None:
    """Closes what can be closed in time; a lost link may never answer."""
    closing = asyncio.create_task(stack.aclose())
    ended = asyncio.gather(closing, return_exceptions=True)  # whatever its error
    await asyncio.wait([ended], timeout=CLOSE_SECONDS)
    closing.cancel()


def advice(error: BaseException) -> str:
    """What the user can do about a failed session, in one line."""
    # The SDK wraps what the credential raised.
    causes = (error, getattr(error, "inner_exception", None))
    if any(isinstance(cause, AUTHENTICATION_ERRORS) for cause in causes):
        return (
            "check IRIS_CLIENT_ID, IRIS_CLIENT_SECRET and IRIS_TENANT_ID; renew an "
            "expired secret at https://bmrs.elexon.co.uk/iris"
        )
    if isinstance(error, MessagingEntityNotFoundError):
        return "check IRIS_QUEUE_NAME and IRIS_NAMESPACE"
    if isinstance(error, ServiceBusAuthorizationError):
        return "this client is not allowed to read the queue: check IRIS_QUEUE_NAME"
    if isinstance(error, ServiceBusQuotaExceededError):
        return sharing.ADVICE
    if "certificate" in str(error).lower():
        return (
            "check the clock and certificates of this machine, and any proxy in between"
        )
    return (
        "if this continues, check IRIS_NAMESPACE, and that the network allows port 5671"
    )
