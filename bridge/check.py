"""Check: tries what is configured, part by part, and reports what works."""

import asyncio
import json
import logging
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from azure.core.pipeline import PipelineResponse
from azure.identity import AzureAuthorityHosts
from azure.servicebus import parse_connection_string
from google.api_core import exceptions
from google.pubsub_v1.services.publisher import PublisherAsyncClient

from bridge import iris_queue, notices, publisher
from bridge.clock import difference_text
from bridge.diagnosis import diagnose
from bridge.logs import Redactor
from bridge.settings import (
    CREDENTIALS,
    ELEXONS_NAMESPACE,
    Settings,
    Survey,
    missing_line,
)
from command import network
from command.network import Server
from command.text import listed, one_line
from command.usage import FAILED, USER_ERROR, UsageError

SERVICE_BUS_SCOPE = "https://servicebus.azure.net/.default"
AMQPS_PORT = 5671
PUBLISH_PERMISSION = "pubsub.topics.publish"
# For one part. Without a network the first one knows after 4 s.
ANSWER_SECONDS = 10.0
SHOWN_DATASETS = 6
# Half of a lock of the queue.
MAX_CLOCK_SECONDS = 30.0
CLOCK = "clock"

# What Pub/Sub answers until the user corrects something.
REFUSALS = (
    exceptions.NotFound,
    exceptions.PermissionDenied,
    exceptions.Unauthenticated,
    exceptions.InvalidArgument,
)


class Finding(NamedTuple):
    """What was found of one part.

    Attributes:
        works: None if it was not tried.
        is_final: Whether the user must correct something: waiting does not help.
    """

    part: str
    works: bool | None
    text: str
    is_final: bool = False

    def __str__(self) -> str:
        verdict = {True: "ok", False: "FAILED", None: "not tried"}[self.works]
        return f"{self.part}: {verdict}, {self.text}"


async def run(found: Survey, *, as_json: bool = False) -> int:
    """Prints one line for each part: that it works, or what to do.

    Returns:
        0 if all that is configured works; 2 if the user must correct something, else 1.

    Raises:
        UsageError: Nothing is configured.
    """
    settings = found.settings
    if not (_is_iris_set(found) or settings.topic or found.problems):
        found.complete()
    logging.disable()  # each failure is printed below, in one line
    redact = Redactor(settings.secrets)
    code = 0
    async for finding in examine(found):
        line = json.dumps(finding._asdict()) if as_json else str(finding)
        print(redact(line), flush=True)
        if finding.works is False:
            code = max(code, USER_ERROR if finding.is_final else FAILED)
    return code


async def examine(found: Survey) -> AsyncIterator[Finding]:
    """Tries part by part; one that needs another that fails is not tried."""
    settings = found.settings
    yield _settings(found)
    if _is_iris_set(found):
        way = await _look_at_network(settings)
        yield way.finding()
        clock = ServersClock()
        token = await _in_time("token", _token(settings, way, clock))
        yield token
        if found_clock := clock.finding():
            yield found_clock
        for one in settings.queues:
            yield await _in_time("queue", _queue(one, way, token))
    yield await _in_time("topic", _topic(settings))


def _is_iris_set(found: Survey) -> bool:
    settings = found.settings
    is_simulator = settings.connection_string is not None
    return is_simulator or not set(CREDENTIALS) <= set(found.missing)


def _settings(found: Survey) -> Finding:
    """What is set; a topic that is not set, or no part of IRIS, is not a mistake."""
    settings, problems = found.settings, [*found.problems]
    lacking = [name for name in found.missing if name in CREDENTIALS]
    if lacking and _is_iris_set(found):
        problems.insert(0, missing_line(lacking, found.dotenv))
    if problems:
        return Finding("settings", False, "; ".join(problems), is_final=True)
    client = f"client {settings.client_id}, " if settings.has_credentials else ""
    text = f"{client}queue {settings.source}" if settings.has_queue else settings.topic
    if settings.secret_expires:
        today = datetime.now(UTC).date()
        notice = notices.expiry_notice(settings.secret_expires, today)
        text += f"; {notice}" if notice else ""
    return Finding("settings", True, text)


class Way(NamedTuple):
    """How the network is between here and the two servers of the live feed.

    Attributes:
        named_by: The setting that names the queue's server; None for Elexon's own.
        to_queue: Why the queue cannot be reached; None if it can.
        to_entra: The same of Entra ID.
    """

    named_by: str | None
    queue: Server
    to_queue: OSError | None
    entra: Server
    to_entra: OSError | None

    def finding(self) -> Finding:
        if self.to_queue is None and self.to_entra is None:
            return Finding("network", True, f"{self.queue} answers")
        pairs = ((self.queue, self.to_queue), (self.entra, self.to_entra))
        text = "; ".join(
            f"{server} {network.why(error)}" for server, error in pairs if error
        )
        is_wrong = not self.to_entra and network.is_unknown(self.to_queue)
        if self.to_entra:
            hint = "no network, or a firewall or a proxy is in the way"
        elif is_wrong and self.named_by:
            hint = f"check {self.named_by}"
        elif isinstance(self.to_queue, socket.gaierror):
            hint = "check DNS"
        else:
            hint = f"the network must allow port {self.queue.port} (AMQP)"
        is_final = is_wrong and self.named_by is not None
        return Finding("network", False, f"{text}: {hint}", is_final)


async def _look_at_network(settings: Settings) -> Way:
    queue, entra = _queue_server(settings), _entra_server()
    looks = [asyncio.to_thread(network.failure, queue)]
    if not settings.connection_string:
        looks.append(asyncio.to_thread(network.failure, entra))
    to_queue, *to_entra = await asyncio.gather(*looks)
    named_by = "IRIS_CONNECTION_STRING" if settings.connection_string else None
    if not named_by and settings.namespace != ELEXONS_NAMESPACE:
        named_by = "IRIS_NAMESPACE"
    return Way(named_by, queue, to_queue, entra, next(iter(to_entra), None))


def _queue_server(settings: Settings) -> Server:
    if not settings.connection_string:
        return Server(settings.namespace, AMQPS_PORT)
    endpoint = parse_connection_string(settings.connection_string)
    host, _, port = endpoint.fully_qualified_namespace.partition(":")
    return Server(host, int(port) if port.isdigit() else AMQPS_PORT)


def _entra_server() -> Server:
    """As the SDK finds it."""
    host = os.environ.get(
        "AZURE_AUTHORITY_HOST", AzureAuthorityHosts.AZURE_PUBLIC_CLOUD
    )
    return network.server_of(host if "//" in host else f"https://{host}")


async def _in_time(part: str, attempt: Coroutine[Any, Any, Finding]) -> Finding:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await attempt
    except TimeoutError:
        text = f"no answer within {ANSWER_SECONDS:.0f} s; check the network"
        return Finding(part, False, text)


class ServersClock:
    """How far this machine's clock is ahead of Entra ID's, which is right."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0

    def answered(self, answer: PipelineResponse[Any, Any]) -> None:
        """Looks at the time of an answer."""
        with suppress(KeyError, TypeError, ValueError):  # an answer without a date
            date = parsedate_to_datetime(answer.http_response.headers["Date"])
            self._ahead_seconds = (datetime.now(UTC) - date).total_seconds()

    def finding(self) -> Finding | None:
        """What to report; None for a clock that is right."""
        if abs(self._ahead_seconds) < MAX_CLOCK_SECONDS:
            return None
        difference = difference_text(self._ahead_seconds)
        return Finding(CLOCK, False, f"{difference} Entra ID's: set it, e.g. with NTP")


async def _token(settings: Settings, way: Way, clock: ServersClock) -> Finding:
    if settings.connection_string:
        return Finding("token", None, "IRIS_CONNECTION_STRING has the key")
    if not settings.has_credentials:
        return Finding("token", None, "it needs IRIS_CLIENT_ID and IRIS_CLIENT_SECRET")
    if way.to_entra:
        return Finding("token", None, "Entra ID cannot be reached")
    try:
        async with iris_queue.credential(settings, clock.answered) as identity:
            await identity.get_token(SERVICE_BUS_SCOPE)
    except Exception as error:  # noqa: BLE001 - reported in one line
        return _failed("token", error)
    return Finding("token", True, "Entra ID issued one")


async def _queue(settings: Settings, way: Way, token: Finding) -> Finding:
    if not settings.has_queue:
        return Finding("queue", None, "its settings are not complete")
    if way.to_queue:
        return Finding("queue", None, "it cannot be reached")
    if not settings.connection_string and not token.works:
        return Finding("queue", None, "it needs a token")
    try:
        datasets = Counter(await iris_queue.next_datasets(settings))
    except Exception as error:  # noqa: BLE001 - reported in one line
        return _failed("queue", error)
    names = [name for name, _ in datasets.most_common()]
    waiting = f"messages of {listed(names, SHOWN_DATASETS)} wait"
    text = waiting if names else "no messages wait at the moment"
    return Finding("queue", True, f"{settings.queue_name} can be read; {text}")


def _failed(part: str, error: Exception) -> Finding:
    diagnosis = diagnose(error)
    return Finding(part, False, diagnosis.text, diagnosis.is_final)


async def _topic(settings: Settings) -> Finding:
    topic = settings.topic
    if not topic:
        return Finding("topic", None, "PUBSUB_TOPIC is not set")
    try:
        client = publisher.connect(settings.emulator_host)
        async with client:
            if await _may_publish(client, topic):
                return Finding("topic", True, f"may publish to {topic}")
            # Without the permission Pub/Sub does not say whether the topic exists.
            await client.get_topic(topic=topic, retry=None)
    except UsageError as error:
        return Finding("topic", False, str(error), is_final=True)
    except Exception as error:  # noqa: BLE001 - reported in one line
        text = f"{one_line(error)}; {publisher.advice(error, topic)}"
        return Finding("topic", False, text, isinstance(error, REFUSALS))
    if settings.emulator_host:
        return Finding("topic", True, f"{topic} exists at {settings.emulator_host}")
    denied = exceptions.PermissionDenied("no permission to publish")
    return Finding("topic", False, publisher.advice(denied, topic), is_final=True)


async def _may_publish(client: PublisherAsyncClient, topic: str) -> bool:
    """Whether Pub/Sub confirms it; local ones cannot answer."""
    try:
        answer = await client.test_iam_permissions(
            {"resource": topic, "permissions": [PUBLISH_PERMISSION]}
        )
    except (exceptions.MethodNotImplemented, exceptions.NotFound):
        return False
    return PUBLISH_PERMISSION in answer.permissions
