"""A Pub/Sub subscription with one reader: pull, lease, acknowledge, release.

Messages that are pulled are leased: a thread extends their ack deadline as long as the
process lives. If the process is killed, Pub/Sub delivers the messages again when the
last lease ends.

The service answers a request with some of the messages, or waits until there is one. So
several requests are under way at once, and a pull gathers their answers for a short
time. It gives up no request: the service may just have sent messages, which would come
again only when the subscription's own deadline ends. Such an answer is for the next
pull, and leased meanwhile.
"""

import datetime as dt
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple, Self

import grpc
from google.api_core.exceptions import (
    DeadlineExceeded,
    GoogleAPIError,
)
from google.api_core.retry import Retry, if_transient_error
from google.auth.exceptions import GoogleAuthError
from google.cloud import pubsub_v1
from google.pubsub_v1 import types
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from command import network
from command.text import first_line
from pipeline.core.decoding import MAX_UNPACKED_BYTES, Message, unpacked_size

# The limits of one pull: a round costs one insert a table, some 40 ms, so with 89
# datasets 100 messages take as long as 5,000. Beam takes 45 ms more, whatever its size.
MAX_MESSAGES = 10_000
MAX_BYTES = 32_000_000
# Pub/Sub returns no more in one response, and accepts no more in one request.
MAX_REQUEST_MESSAGES = 1_000
# After a kill messages come again within this time. A lease is renewed three times
# within it; a lease that is lost costs duplicates, but no messages.
LEASE_SECONDS = 10
RENEW_SECONDS = 3.0
# A subscription is empty when nothing came for this long and Pub/Sub then says that
# there is nothing. One empty answer alone says little: the service sometimes returns
# one although there are messages. And what a killed process had leased has come again
# by then.
EMPTY_SECONDS = LEASE_SECONDS + 2.0
MAX_LEASE_SECONDS = 600  # Pub/Sub's own bound on an ack deadline
# A pull gathers for a tenth of the time that its oldest message has waited, within
# these bounds: a backlog makes large rounds, and a fresh message is hardly later. It
# ends sooner when nothing has come for a third of that time.
LEAST_GATHER_SECONDS, MOST_GATHER_SECONDS = 0.3, 3.0
GATHER_SHARE, QUIET_SHARE = 1 / 10, 1 / 3
# The service may answer one request with a few messages although thousands wait
# (Google's emulator never returns more than 100), after some 50 ms.
REQUESTS_AT_ONCE = 4
# A request is repeated after this time. The service and the emulators wait nearly as
# long as the client does.
REQUEST_SECONDS = 15.0
STOP_SECONDS = 0.2  # how soon a wait notices that it must stop
RETRY_SECONDS = 60.0

PUBSUB_ERRORS = (GoogleAPIError, GoogleAuthError)
log = logging.getLogger(__name__)


class Pulled(NamedTuple):
    """The messages of one pull, leased and not yet acknowledged.

    Attributes:
        messages: The messages.
        ack_ids: The ids that acknowledge them, in the same order.
        oldest: When the oldest of them was published; None for no messages.
        full: Whether there may be more: a limit ended the pull.
    """

    messages: list[Message]
    ack_ids: list[str]
    oldest: dt.datetime | None
    full: bool

    def rounds(self) -> Iterator[Self]:
        """Splits it into rounds that fit into memory when they are unpacked.

        Twelve messages of 12 MB, which come as 0.4 MB each, took 1.3 GB in one round.
        """
        start, size = 0, 0
        for end, message in enumerate(self.messages):
            more = unpacked_size(message.data)
            if size + more > MAX_UNPACKED_BYTES and end > start:
                yield self._part(start, end)
                start, size = end, 0
            size += more
        if self.messages:
            yield self._part(start, len(self.messages))

    def _part(self, start: int, end: int) -> Self:
        return self._replace(
            messages=self.messages[start:end], ack_ids=self.ack_ids[start:end]
        )


class _Gathering:
    """The messages of one pull, while they come in.

    Attributes:
        received: The messages as they came.
        ends: When it is over, on the monotonic clock.
    """

    def __init__(self, max_messages: int) -> None:
        self.received: list[Any] = []
        self.ends = time.monotonic() + EMPTY_SECONDS
        self._max_messages = max_messages
        self._requests, self._bytes = 0, 0
        self._began = self._last = 0.0
        self._oldest_ns = 0

    @property
    def left(self) -> int:
        """How many messages it still accepts."""
        return self._max_messages - len(self.received)

    @property
    def is_full(self) -> bool:
        return self.left <= 0 or self._bytes >= MAX_BYTES

    @property
    def oldest(self) -> dt.datetime | None:
        if not self.received:
            return None
        return dt.datetime.fromtimestamp(self._oldest_ns / 1e9, dt.UTC)

    def add(self, more: list[Any]) -> None:
        """Adds an answer, and sets when to end."""
        self._requests += 1
        if not more:
            return
        self._last = time.monotonic()
        oldest_ns = min(each.message.publish_time.ToNanoseconds() for each in more)
        if self.received:
            self._oldest_ns = min(self._oldest_ns, oldest_ns)
        else:
            self._oldest_ns, self._began = oldest_ns, self._last
        self.received += more
        self._bytes += sum(len(each.message.data) for each in more)
        seconds = gather_seconds(time.time() - self._oldest_ns / 1e9)
        self.ends = min(self._began + seconds, self._last + seconds * QUIET_SHARE)

    def log(self) -> None:
        log.info(
            "pulled %s messages, %.1f MB, in %.2f s with %d requests",
            f"{len(self.received):,}",
            self._bytes / 1e6,
            self._last - self._began,
            self._requests,
        )


def gather_seconds(age_seconds: float) -> float:
    """How long to gather, for the age of the oldest message."""
    seconds = age_seconds * GATHER_SHARE
    return min(max(seconds, LEAST_GATHER_SECONDS), MOST_GATHER_SECONDS)


class Subscription:
    """The subscription, and the leases on its messages; use it as a context.

    Args:
        name: `projects/P/subscriptions/S`.

    Attributes:
        reached: Whether Pub/Sub has ever answered.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.reached = False
        self._client = pubsub_v1.SubscriberClient(transport=emulator_transport())
        # Its own connection: closing it cancels the requests that are under way.
        self._pulling = pubsub_v1.SubscriberClient(transport=emulator_transport())
        self._threads = ThreadPoolExecutor(REQUESTS_AT_ONCE, "pull")
        # The requests under way, and how many messages each asks for.
        self._requests: dict[Future[list[Any]], int] = {}
        self._leased: set[str] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._renewing = threading.Thread(target=self._renew, daemon=True, name="lease")

    def __enter__(self) -> Self:
        self._renewing.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._renewing.join(timeout=1)  # it may be waiting for an answer
        self._pulling.close()
        self._threads.shutdown()
        for request in self._requests:
            if not request.exception():
                self.release([each.ack_id for each in request.result()])
        self._client.close()

    def pull(
        self, max_messages: int = MAX_MESSAGES, stopped: Callable[[], bool] = bool
    ) -> Pulled:
        """Pulls what there is, up to the limits; waits a while for the first message.

        Args:
            max_messages: How many at most.
            stopped: Says whether to pull no more.

        Raises:
            GoogleAPIError, GoogleAuthError: Pub/Sub refuses, or cannot be reached.
                Messages that were pulled before that are released.
        """
        self._forget_failures()
        gathering = _Gathering(max_messages)
        try:
            while not (gathering.is_full or stopped()):
                if (seconds := gathering.ends - time.monotonic()) <= 0:
                    break
                self._gather(gathering, min(seconds, STOP_SECONDS))
            if not gathering.received and not stopped():
                # Requests without an answer look like no messages; to this one Pub/Sub
                # must answer. (Asked always in this way, the service gets slower.)
                gathering.add(self._ask(1, return_immediately=True))
        except PUBSUB_ERRORS:
            self.release([each.ack_id for each in gathering.received])
            raise
        received = gathering.received[:max_messages]
        # The last request asks for a message that another one may have asked for, too.
        self.release([each.ack_id for each in gathering.received[max_messages:]])
        if received:
            gathering.log()
        return Pulled(
            [_message(each.message) for each in received],
            [each.ack_id for each in received],
            gathering.oldest,
            full=gathering.is_full,
        )

    def acknowledge(self, ack_ids: list[str]) -> None:
        """Acknowledges messages, and ends their leases.

        Raises:
            GoogleAPIError, GoogleAuthError: Pub/Sub cannot be reached: they come again.
        """
        retry = Retry(predicate=if_transient_error, timeout=RETRY_SECONDS)
        try:
            for part in request_parts(ack_ids):
                request = types.AcknowledgeRequest.pb()(
                    subscription=self.name, ack_ids=part
                )
                self._client.acknowledge(
                    request=types.AcknowledgeRequest.wrap(request),
                    retry=retry,
                    timeout=REQUEST_SECONDS,
                )
        finally:
            self._forget(ack_ids)

    def release(self, ack_ids: list[str]) -> None:
        """Returns messages at once; if that fails, they return when the lease ends."""
        self._forget(ack_ids)
        try:
            self._extend(ack_ids, 0)
        except PUBSUB_ERRORS as error:
            log.debug("messages come again when their lease ends: %s", error)

    def postpone(self, ack_ids: list[str], seconds: float) -> None:
        """Lets messages come again after a time; where that fails, earlier."""
        self._forget(ack_ids)
        try:
            self._extend(ack_ids, min(round(seconds), MAX_LEASE_SECONDS))
        except PUBSUB_ERRORS as error:
            log.debug("messages come again when their lease ends: %s", error)

    def _gather(self, gathering: _Gathering, seconds: float) -> None:
        """Waits for the next answer, with as many requests under way as there may be.

        Together they ask for no more messages than the pull accepts.
        """
        free = gathering.left - sum(self._requests.values())
        while free > 0 and len(self._requests) < REQUESTS_AT_ONCE:
            count = min(free, MAX_REQUEST_MESSAGES)
            self._requests[self._threads.submit(self._ask, count)] = count
            free -= count
        done, _ = wait(self._requests, seconds, FIRST_COMPLETED)
        for request in done:
            del self._requests[request]
            gathering.add(request.result())

    def _forget_failures(self) -> None:
        """Forgets requests that failed since the last pull; the next ones show why."""
        for request in [each for each in self._requests if each.done()]:
            if request.exception():
                del self._requests[request]

    def _ask(self, max_messages: int, *, return_immediately: bool = False) -> list[Any]:
        """One answer; its messages are leased from here on."""
        request = {"subscription": self.name, "max_messages": max_messages}
        if return_immediately:
            request["return_immediately"] = True
        try:
            response = self._pulling.pull(
                request=request, timeout=REQUEST_SECONDS, retry=None
            )
        except DeadlineExceeded:
            if return_immediately:
                raise
            return []
        self.reached = True
        # Plain protocol buffers: the client's wrappers cost more than all the rest.
        received = list(types.PullResponse.pb(response).received_messages)
        ack_ids = [each.ack_id for each in received]
        with self._lock:
            self._leased.update(ack_ids)
        # At once: the subscription's own deadline may be ten seconds, or ten minutes.
        self._extend_or_warn(ack_ids)
        return received

    def _renew(self) -> None:
        while not self._closed.wait(RENEW_SECONDS):
            with self._lock:
                leased = list(self._leased)
            self._extend_or_warn(leased)

    def _extend_or_warn(self, ack_ids: list[str]) -> None:
        try:
            self._extend(ack_ids, LEASE_SECONDS)
        except PUBSUB_ERRORS as error:
            log.warning(
                "the lease of %d messages is not renewed; they may come again: %s",
                len(ack_ids),
                first_line(error),
            )

    def _extend(self, ack_ids: list[str], seconds: int) -> None:
        for part in request_parts(ack_ids):
            # Plain protocol buffers, as above: a lease is renewed every few seconds.
            request = types.ModifyAckDeadlineRequest.pb()(
                subscription=self.name, ack_ids=part, ack_deadline_seconds=seconds
            )
            self._client.modify_ack_deadline(
                request=types.ModifyAckDeadlineRequest.wrap(request),
                retry=None,
                timeout=REQUEST_SECONDS,
            )

    def _forget(self, ack_ids: list[str]) -> None:
        with self._lock:
            self._leased.difference_update(ack_ids)


def cannot_be_read(name: str, error: BaseException) -> str:
    """The text of an error for a subscription that cannot be read."""
    return f"{name} cannot be read: {first_line(error)}"


def emulator_transport() -> SubscriberGrpcTransport | None:
    """The connection to a local Pub/Sub; None for the service, which needs no help."""
    host = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not host:
        return None
    # The client's own channel to an emulator breaks at a response of 4 MB.
    channel = grpc.insecure_channel(host, options=network.grpc_options())
    return SubscriberGrpcTransport(channel=channel)


def request_parts(ack_ids: list[str]) -> Iterator[list[str]]:
    """Splits ids into requests that Pub/Sub accepts."""
    for start in range(0, len(ack_ids), MAX_REQUEST_MESSAGES):
        yield ack_ids[start : start + MAX_REQUEST_MESSAGES]


def _message(message: Any) -> Message:
    return Message(
        message.data, dict(message.attributes), message.publish_time.ToJsonString()
    )
