"""The IRIS queue: one session with Azure Service Bus, opened and closed in bounds."""

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

# A mute broker held one complete for 72 s with the defaults; these bound one call.
OUTCOME_SECONDS = 20.0
TRY_SECONDS = 15.0
# What a session fails of is seen at once: the loop itself tries again, with a new
# client, so that concurrent calls never repair one connection against each other.
RETRIES = 0
# How long the client waits for one more frame. Concurrent completes read each other's
# answers, so the last ones wait this long for nothing: the default of 0.2 s would
# double the time of a batch. Each that waits takes a turn of the loop at this beat:
# a shorter one gains nothing on loopback, and far away costs a fifth more processor.
# It is an option of the receiver; the client takes it too, and ignores it.
SOCKET_SECONDS = 0.02
OPEN_SECONDS = 20.0
CLOSE_SECONDS = 5.0

AUTHENTICATION_ERRORS = (ClientAuthenticationError, ServiceBusAuthenticationError)


@asynccontextmanager
async def session(settings: Settings) -> AsyncIterator[ServiceBusReceiver]:
    """A receiver in peek-lock mode on a connection of its own.

    Raises:
        azure.core.exceptions.AzureError: No connection, no right, no such queue.
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
    """What proves to Entra ID who we are."""
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

    The SDK repairs a link within each call that finds it lost. With 500 completes in
    flight that made more than a hundred connections at once, none of them ever closed.
    There is no option against it.
    """

    async def refuse(timeout: float | None = None) -> None:
        if not receiver._running:
            raise ServiceBusConnectionError(message="The link to the queue is lost.")

    receiver._open = refuse  # type: ignore[method-assign]  # the purpose of this


async def _close(stack: AsyncExitStack) -> None:
    """Closes what can be closed in time; a lost link is not worth waiting for."""
    closing = asyncio.create_task(stack.aclose())
    ended = asyncio.gather(closing, return_exceptions=True)  # whatever its error
    await asyncio.wait([ended], timeout=CLOSE_SECONDS)
    closing.cancel()


def advice(error: BaseException) -> str:
    """What the user can do about a failed session, in one sentence."""
    # The SDK wraps what the credential raised.
    causes = (error, getattr(error, "inner_exception", None))
    if any(isinstance(cause, AUTHENTICATION_ERRORS) for cause in causes):
        return (
            "check IRIS_CLIENT_ID, IRIS_CLIENT_SECRET and IRIS_TENANT_ID; an expired "
            "secret is renewed at https://bmrs.elexon.co.uk/iris"
        )
    if isinstance(error, MessagingEntityNotFoundError):
        return "check IRIS_QUEUE_NAME and IRIS_NAMESPACE"
    if isinstance(error, ServiceBusAuthorizationError):
        return "this account may not read the queue: check IRIS_QUEUE_NAME"
    if isinstance(error, ServiceBusQuotaExceededError):
        return sharing.ADVICE
    if "certificate" in str(error).lower():
        return "check this machine's clock and certificates, and any proxy in between"
    return "if it lasts, check IRIS_NAMESPACE, the network and its port 5671"
