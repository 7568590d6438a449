"""A Pub/Sub subscription with one reader: pull, lease, acknowledge, release.

Messages that are pulled are leased: a thread extends their ack deadline as long as the
process lives. If the process is killed, Pub/Sub delivers the messages again when the
last lease ends.
"""

import datetime as dt
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
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

from command.text import first_line
from pipeline.core.decoding import MAX_UNPACKED_BYTES, Message, unpacked_size

# The limits of one pull: a round costs one insert a table, some 40 ms, so with 89
# datasets 100 messages take as long as 5,000.
MAX_MESSAGES = 5_000
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
WAIT_SECONDS = 2.0
MAX_LEASE_SECONDS = 600  # Pub/Sub's own bound on an ack deadline
REQUEST_SECONDS = 15.0
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
        received: list[Any] = []
        size = 0
        try:
            more = self._first(min(max_messages, MAX_REQUEST_MESSAGES), stopped)
            while more:
                received += more
                size += sum(len(each.message.data) for each in more)
                left = min(max_messages - len(received), MAX_REQUEST_MESSAGES)
                if left <= 0 or size >= MAX_BYTES or stopped():
                    break
                more = self._ask(left)
        except PUBSUB_ERRORS:
            self.release([each.ack_id for each in received])
            raise
        return Pulled(
            [_message(each.message) for each in received],
            [each.ack_id for each in received],
            min((_published(each.message) for each in received), default=None),
            full=bool(more),
        )

    def acknowledge(self, ack_ids: list[str]) -> None:
        """Acknowledges messages, and ends their leases.

        Raises:
            GoogleAPIError, GoogleAuthError: Pub/Sub cannot be reached: they come again.
        """
        retry = Retry(predicate=if_transient_error, timeout=RETRY_SECONDS)
        try:
            for part in request_parts(ack_ids):
                self._client.acknowledge(
                    subscription=self.name,
                    ack_ids=part,
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

    def _first(self, max_messages: int, stopped: Callable[[], bool]) -> list[Any]:
        """The first response with messages; none when the subscription is empty."""
        # Without a wait: a refusal comes at once, and so do messages that are there.
        if received := self._ask(max_messages):
            return received
        deadline = time.monotonic() + EMPTY_SECONDS
        while time.monotonic() < deadline and not stopped():
            if received := self._ask(max_messages, wait=True):
                return received
        # An answer that does not come in time looks like no messages; to this last
        # request Pub/Sub must answer.
        return [] if stopped() else self._ask(max_messages)

    def _ask(self, max_messages: int, *, wait: bool = False) -> list[Any]:
        """One response; its messages are leased from here on."""
        request = {
            "subscription": self.name,
            "max_messages": max_messages,
            "return_immediately": not wait,
        }
        timeout = WAIT_SECONDS if wait else REQUEST_SECONDS
        try:
            response = self._client.pull(request=request, timeout=timeout, retry=None)
        except DeadlineExceeded:
            if wait:
                return []
            raise
        if not self.reached:
            self.reached = True
            log.info("draining %s", self.name)
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
            self._client.modify_ack_deadline(
                subscription=self.name,
                ack_ids=part,
                ack_deadline_seconds=seconds,
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
    options = [("grpc.max_receive_message_length", -1)]
    return SubscriberGrpcTransport(channel=grpc.insecure_channel(host, options=options))


def request_parts(ack_ids: list[str]) -> Iterator[list[str]]:
    """Splits ids into requests that Pub/Sub accepts."""
    for start in range(0, len(ack_ids), MAX_REQUEST_MESSAGES):
        yield ack_ids[start : start + MAX_REQUEST_MESSAGES]


def _message(message: Any) -> Message:
    return Message(
        message.data, dict(message.attributes), message.publish_time.ToJsonString()
    )


def _published(message: Any) -> dt.datetime:
    published: dt.datetime = message.publish_time.ToDatetime(tzinfo=dt.UTC)
    return published
