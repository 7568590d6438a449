"""Check: tries credentials, queue and topic, and reports what works."""

import asyncio
import logging

from google.api_core import exceptions
from google.pubsub_v1.services.publisher import PublisherAsyncClient

from bridge import iris_queue, publisher
from bridge.logs import Redactor
from bridge.settings import Settings
from command.text import one_line
from command.usage import UsageError

SERVICE_BUS_SCOPE = "https://servicebus.azure.net/.default"
PUBLISH_PERMISSION = "pubsub.topics.publish"
ANSWER_SECONDS = 30.0


async def run(settings: Settings) -> int:
    """Prints one line for each part: that it works, or what to do.

    Returns:
        0 if everything works, else 1.
    """
    logging.disable()  # each failure is printed below, in one line
    redact = Redactor(settings.secrets)
    results = []
    for attempt in (_try_credentials, _try_queue, _try_topic):
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                works, text = await attempt(settings)
        except TimeoutError:
            works, text = (
                False,
                (f"no answer within {ANSWER_SECONDS:.0f} s; check the network"),
            )
        verdict = "ok" if works else "FAILED"
        part = attempt.__name__.removeprefix("_try_")
        print(redact(f"{part}: {verdict}, {text}"))
        results.append(works)
    return 0 if all(results) else 1


async def _try_credentials(settings: Settings) -> tuple[bool, str]:
    if settings.connection_string:
        return True, "IRIS_CONNECTION_STRING has them"
    try:
        async with iris_queue.credential(settings) as identity:
            await identity.get_token(SERVICE_BUS_SCOPE)
    except Exception as error:  # noqa: BLE001 - reported in one line
        return False, f"{one_line(error)}; {iris_queue.advice(error)}"
    return True, f"Entra ID issued a token to client {settings.client_id}"


async def _try_queue(settings: Settings) -> tuple[bool, str]:
    try:
        async with iris_queue.session(settings):
            return True, f"can read {settings.source}"
    except Exception as error:  # noqa: BLE001 - reported in one line
        return False, f"{one_line(error)}; {iris_queue.advice(error)}"


async def _try_topic(settings: Settings) -> tuple[bool, str]:
    topic = settings.topic
    try:
        client = publisher.connect(settings.emulator_host)
        async with client:
            if await _may_publish(client, topic):
                return True, f"may publish to {topic}"
            # Without the permission Pub/Sub does not say whether the topic exists.
            await client.get_topic(topic=topic, retry=None)
    except UsageError as error:
        return False, str(error)
    except Exception as error:  # noqa: BLE001 - reported in one line
        return False, f"{one_line(error)}; {publisher.advice(error, topic)}"
    if settings.emulator_host:
        return True, f"{topic} exists at {settings.emulator_host}"
    denied = exceptions.PermissionDenied("no permission to publish")
    return False, publisher.advice(denied, topic)


async def _may_publish(client: PublisherAsyncClient, topic: str) -> bool:
    """Whether Pub/Sub confirms it; local ones cannot answer."""
    try:
        answer = await client.test_iam_permissions(
            {"resource": topic, "permissions": [PUBLISH_PERMISSION]}
        )
    except (exceptions.MethodNotImplemented, exceptions.NotFound):
        return False
    return PUBLISH_PERMISSION in answer.permissions
