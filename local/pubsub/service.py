"""The embedded Pub/Sub: topics, subscriptions, publish, pull.

One event loop serves everything, so there are no locks. One request is one transaction
of the store, committed before the reply is sent: a message is safe when its publisher
has the reply, and an acknowledged one is deleted when its subscriber has the reply.

Not supported: push, filters, ordering, exactly-once, snapshots, schemas. A list is one
page. As in the real service, a topic without a subscription keeps nothing.
"""

import asyncio
import contextlib
import functools
import itertools
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from local.pubsub import limits
from local.pubsub.api import types
from local.pubsub.limits import RefusalError
from local.pubsub.message_store import MessageStore, Stored
from local.pubsub.metrics import Metrics
from local.pubsub.subscription import Holder, SubscriptionQueue

# How long an empty pull waits for a message, and at most which share of the client's
# timeout: an empty answer is better for a client than DEADLINE_EXCEEDED.
PULL_WAIT_SECONDS = 3.0
TIMEOUT_SHARE = 0.8
# When a store that has failed to give messages back is tried again.
STORE_RETRY_SECONDS = 1.0
DELETED_TOPIC = "_deleted-topic_"

Message = Any  # protobuf messages come untyped

# The protobuf classes beneath the client library's wrappers.
Topic = types.Topic.pb()
Subscription = types.Subscription.pb()
PubsubMessage = types.PubsubMessage.pb()
ReceivedMessage = types.ReceivedMessage.pb()


@dataclass
class Served:
    """A subscription: its settings, its queue, and those who wait for its messages."""

    config: Message
    queue: SubscriptionQueue
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Lets every waiting puller look again."""
        self.changed.set()
        self.changed = asyncio.Event()

    async def wait(self, seconds: float | None) -> None:
        """Waits for the next `wake`, at most this long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.changed.wait(), seconds)


class PubSubService:
    """The methods of `google.pubsub.v1.Publisher` and `Subscriber`.

    A method takes a request and returns the reply, or raises RefusalError.

    Attributes:
        metrics: What it has done, and what waits.
    """

    def __init__(self, store: MessageStore) -> None:
        self._store = store
        self.metrics = Metrics(store)
        # Microseconds since 1970: greater than every id before a restart.
        self._message_ids = itertools.count(time.time_ns() // 1000)
        self._topics: dict[str, Message] = {
            name: Topic.FromString(config) for name, config in store.resources("topic")
        }
        self._subscriptions: dict[str, Served] = {
            name: Served(
                Subscription.FromString(config), SubscriptionQueue(name, store)
            )
            for name, config in store.resources("subscription")
        }

    # Topics

    def create_topic(self, topic: Message) -> Message:
        """Creates a topic; ALREADY_EXISTS, INVALID_ARGUMENT for the name."""
        limits.check_name(topic.name, "topics")
        if topic.name in self._topics:
            raise RefusalError(grpc.StatusCode.ALREADY_EXISTS, "Topic already exists")
        self._store.save("topic", topic.name, topic.SerializeToString())
        self._topics[topic.name] = topic
        return topic

    def get_topic(self, request: Message) -> Message:
        return self._topic(request.topic)

    def list_topics(self, request: Message) -> Message:
        prefix = f"{request.project}/topics/"
        found = [t for name, t in self._topics.items() if name.startswith(prefix)]
        return types.ListTopicsResponse.pb()(topics=found)

    def list_topic_subscriptions(self, request: Message) -> Message:
        names = [served.config.name for served in self._subscribers(request.topic)]
        return types.ListTopicSubscriptionsResponse.pb()(subscriptions=names)

    def delete_topic(self, request: Message) -> Message:
        """Deletes a topic; its subscriptions keep their messages. NOT_FOUND."""
        for served in self._subscribers(request.topic):
            served.config.topic = DELETED_TOPIC
            self._save(served.config)
        self._store.drop("topic", request.topic)
        del self._topics[request.topic]
        return Empty()

    def publish(self, request: Message) -> Message:
        """Adds messages to every subscription of a topic; NOT_FOUND, limits."""
        subscribers = self._subscribers(request.topic)
        limits.check_messages(request.messages)
        message_ids = self._append(subscribers, request.messages)
        return types.PublishResponse.pb()(message_ids=message_ids)

    # Subscriptions

    def create_subscription(self, config: Message) -> Message:
        """Creates a pull subscription; NOT_FOUND for topics, ALREADY_EXISTS."""
        limits.check_name(config.name, "subscriptions")
        self._topic(config.topic)
        if config.name in self._subscriptions:
            raise RefusalError(
                grpc.StatusCode.ALREADY_EXISTS, "Subscription already exists"
            )
        self._save(self._completed(config))
        queue = SubscriptionQueue(config.name, self._store)
        self._subscriptions[config.name] = Served(config, queue)
        return config

    def get_subscription(self, request: Message) -> Message:
        return self._subscription(request.subscription).config

    def list_subscriptions(self, request: Message) -> Message:
        prefix = f"{request.project}/subscriptions/"
        found = [
            served.config
            for name, served in self._subscriptions.items()
            if name.startswith(prefix)
        ]
        return types.ListSubscriptionsResponse.pb()(subscriptions=found)

    def update_subscription(self, request: Message) -> Message:
        """Changes the masked settings, not name or topic; NOT_FOUND."""
        served = self._subscription(request.subscription.name)
        mask = request.update_mask
        if not mask.paths or {"name", "topic"} & set(mask.paths):
            raise limits.invalid("update_mask must name settings that can change.")
        config = Subscription.FromString(served.config.SerializeToString())
        try:
            mask.MergeMessage(request.subscription, config, replace_message_field=True)
        except ValueError as error:
            raise limits.invalid(str(error)) from error
        self._save(self._completed(config))
        served.config = config
        return config

    def delete_subscription(self, request: Message) -> Message:
        """Deletes a subscription with its backlog; NOT_FOUND."""
        served = self._subscription(request.subscription)
        self._store.drop("subscription", request.subscription)
        del self._subscriptions[request.subscription]
        served.wake()
        return Empty()

    def seek(self, request: Message) -> Message:
        """Acknowledges all messages before a time; snapshots: UNIMPLEMENTED.

        Acknowledged messages are not kept, so a seek brings none back.
        """
        self._subscription(request.subscription)
        if not request.HasField("time"):
            raise RefusalError(grpc.StatusCode.UNIMPLEMENTED, "Seek to a time only.")
        self._store.delete_published_before(
            request.subscription, request.time.ToMicroseconds()
        )
        return types.SeekResponse.pb()()

    # Deliveries

    def acknowledge(self, request: Message) -> Message:
        """Deletes delivered messages; NOT_FOUND, INVALID_ARGUMENT."""
        served = self._subscription(request.subscription)
        served.queue.acknowledge(limits.positions(request.ack_ids))
        self.metrics.acknowledged.inc(len(request.ack_ids))
        served.wake()
        return Empty()

    def modify_ack_deadline(self, request: Message) -> Message:
        """Moves the deadline of delivered messages; 0 s gives them back. NOT_FOUND."""
        served = self._subscription(request.subscription)
        positions = limits.positions(request.ack_ids)
        self._modify(served, positions, request.ack_deadline_seconds)
        return Empty()

    async def pull(self, request: Message, timeout_seconds: float | None) -> Message:
        """Delivers waiting messages, or the first that arrives within seconds.

        Args:
            request: A PullRequest.
            timeout_seconds: How long the client waits for an answer; None: no limit.
        """
        if request.max_messages < 1:
            raise limits.invalid("No max_messages specified")
        wait_seconds = 0.0 if request.return_immediately else PULL_WAIT_SECONDS
        if timeout_seconds is not None:
            wait_seconds = min(wait_seconds, TIMEOUT_SHARE * timeout_seconds)
        until = time.monotonic() + wait_seconds
        holder = Holder()
        while True:
            served = self._subscription(request.subscription)
            seconds = served.config.ack_deadline_seconds
            received = self._take(served, holder, request.max_messages, seconds)
            if received or time.monotonic() >= until:
                return types.PullResponse.pb()(received_messages=received)
            await served.wait(until - time.monotonic())

    async def streaming_pull(
        self, requests: AsyncIterator[Message]
    ) -> AsyncGenerator[Message, None]:
        """Delivers within the stream's flow control, until either side ends it.

        Messages that the client has not acknowledged by then are delivered again after
        their deadline.
        """
        first = await anext(requests, None)
        if first is None:
            return
        served = self._subscription(first.subscription)
        seconds = self._apply(served, first) or served.config.ack_deadline_seconds
        holder = Holder(first.max_outstanding_messages, first.max_outstanding_bytes)

        async def read() -> None:
            nonlocal seconds
            async for request in requests:
                seconds = self._apply(served, request) or seconds

        reader = asyncio.create_task(read())
        reader.add_done_callback(lambda _: served.wake())
        try:
            while not reader.done():
                if self._subscriptions.get(served.config.name) is not served:
                    raise RefusalError(grpc.StatusCode.NOT_FOUND, "It was deleted")
                received = self._take(served, holder, limits.MAX_MESSAGES, seconds)
                if received:
                    yield types.StreamingPullResponse.pb()(received_messages=received)
                else:
                    await served.wait(None)
            await reader  # raises the error that ended it
        finally:
            reader.cancel()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits the changes within, all or nothing."""
        try:
            yield
            self._store.commit()
        except BaseException:
            self._store.rollback()
            for served in self._subscriptions.values():
                served.queue.rewind()
                served.wake()
            raise

    def _topic(self, name: str) -> Message:
        if name not in self._topics:
            raise RefusalError(grpc.StatusCode.NOT_FOUND, f"Topic not found: {name}")
        return self._topics[name]

    def _subscribers(self, topic: str) -> list[Served]:
        self._topic(topic)
        return [s for s in self._subscriptions.values() if s.config.topic == topic]

    def _subscription(self, name: str) -> Served:
        if name not in self._subscriptions:
            raise RefusalError(
                grpc.StatusCode.NOT_FOUND, f"Subscription does not exist: {name}"
            )
        return self._subscriptions[name]

    def _completed(self, config: Message) -> Message:
        limits.complete_subscription(config)
        if config.HasField("dead_letter_policy"):
            self._topic(config.dead_letter_policy.dead_letter_topic)
        return config

    def _save(self, config: Message) -> None:
        self._store.save("subscription", config.name, config.SerializeToString())

    def _append(
        self, subscribers: Iterable[Served], messages: Iterable[Message]
    ) -> list[str]:
        """Stamps messages and adds them to backlogs; returns their ids."""
        published_us = time.time_ns() // 1000
        message_ids, bodies = [], []
        for message in messages:
            message.message_id = str(next(self._message_ids))
            message.publish_time.FromMicroseconds(published_us)
            message_ids.append(message.message_id)
            bodies.append(message.SerializeToString())
        for served in subscribers:
            self._store.append(served.config.name, bodies, published_us)
            served.wake()
        self.metrics.published.inc(len(message_ids))
        return message_ids

    def _take(
        self, served: Served, holder: Holder, max_messages: int, seconds: int
    ) -> list[Message]:
        deadline = time.monotonic() + seconds
        taken = served.queue.take(holder, max_messages, deadline)
        if taken:
            self._arm(served, deadline)
        self.metrics.delivered.inc(len(taken))
        counted = served.config.HasField("dead_letter_policy")
        return [_received(stored, counted) for stored in taken]

    def _apply(self, served: Served, request: Message) -> int:
        """Performs a streaming request; returns its ack deadline, or 0 for none."""
        with self.transaction():
            if request.ack_ids:
                served.queue.acknowledge(limits.positions(request.ack_ids))
                self.metrics.acknowledged.inc(len(request.ack_ids))
                served.wake()
            for position, seconds in zip(
                limits.positions(request.modify_deadline_ack_ids),
                request.modify_deadline_seconds,
                strict=False,  # the service ignores an id without a deadline
            ):
                self._modify(served, [position], seconds)
        stream_seconds: int = request.stream_ack_deadline_seconds
        if stream_seconds:
            limits.check_seconds(stream_seconds, limits.ACK_DEADLINE_SECONDS)
        return stream_seconds

    def _modify(self, served: Served, positions: list[int], seconds: int) -> None:
        limits.check_seconds(seconds, limits.EXTENSION_SECONDS)
        if seconds == 0:
            self._give_back(served, positions)
            return
        deadline = time.monotonic() + seconds
        served.queue.extend(positions, deadline)
        self._arm(served, deadline)

    def _arm(self, served: Served, deadline: float) -> None:
        """Sets the timer, so that leases are checked at this deadline."""
        if served.timer is not None:
            if served.timer.when() <= deadline:
                return
            served.timer.cancel()
        loop = asyncio.get_running_loop()
        served.timer = loop.call_at(deadline, self._expire, served)

    def _expire(self, served: Served) -> None:
        served.timer = None
        now = time.monotonic()
        try:
            with self.transaction():
                self._give_back(served, served.queue.expired(now))
        except sqlite3.Error:  # a full disk, until there is room again
            self._arm(served, now + STORE_RETRY_SECONDS)
            return
        deadline = served.queue.next_deadline()
        if deadline is not None:
            self._arm(served, deadline)

    def _give_back(self, served: Served, positions: list[int]) -> None:
        if positions:
            dead_letter = functools.partial(self._dead_letter, served.config)
            served.queue.give_back(positions, dead_letter)
            served.wake()

    def _dead_letter(self, source: Message, stored: Stored) -> bool:
        """Forwards a message that has failed too often; returns whether it did.

        The message stays on its subscription while the dead-letter topic is missing.
        """
        policy = source.dead_letter_policy
        if (
            policy.dead_letter_topic not in self._topics
            or stored.attempt < policy.max_delivery_attempts
        ):
            return False
        message = PubsubMessage.FromString(stored.message)
        message.attributes.update(_provenance(source.name, stored.attempt, message))
        self._append(self._subscribers(policy.dead_letter_topic), [message])
        return True


def _provenance(subscription: str, attempt: int, message: Message) -> dict[str, str]:
    """The attributes that the service adds to a dead letter."""
    _, project, _, name = subscription.split("/")
    prefix = "CloudPubSubDeadLetterSource"
    return {
        f"{prefix}DeliveryCount": str(attempt),
        f"{prefix}Subscription": name,
        f"{prefix}SubscriptionProject": project,
        f"{prefix}TopicPublishTime": message.publish_time.ToJsonString(),
    }


def _received(stored: Stored, counted: bool) -> Message:
    received = ReceivedMessage(ack_id=str(stored.position))
    if counted:
        received.delivery_attempt = stored.attempt
    received.message.MergeFromString(stored.message)
    return received
