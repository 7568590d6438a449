"""What both kinds of local Pub/Sub do for the official clients.

Google's emulator is the measure: what it does here, the embedded one does.
"""

import asyncio
import os
import threading

import grpc
import pytest
from google.api_core import exceptions
from google.pubsub_v1 import PublisherAsyncClient, SubscriberAsyncClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.services.subscriber.transports import (
    SubscriberGrpcAsyncIOTransport,
)

from local.pubsub.google_pubsub import google_emulator_command, missing
from tests.integration.pubsub_fixture import Clients, pubsub_server, wide_clients

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", params=["embedded", "google"])
def server(request, tmp_path_factory):
    if request.param == "google" and google_emulator_command("", 0) is None:
        pytest.skip(f"Google's emulator is not installed: {missing()}")
    with pubsub_server(request.param, tmp_path_factory.mktemp("pubsub")) as running:
        yield running


@pytest.fixture
def clients(server, monkeypatch):
    with Clients(server.host, monkeypatch) as clients:
        yield clients


def test_message_arrives_unchanged_and_once_acknowledged_is_gone(clients):
    topic = clients.topic()
    subscription = clients.subscription(topic)
    body = bytes(range(256))
    attributes = {"dataset": "BOALF", "empty": "", "ünicode": "£ \u2028"}
    [message_id] = clients.publish(topic, body, **attributes)

    [received] = clients.pull_until(subscription, 1)
    clients.acknowledge(subscription, [received])

    assert received.message.data == body
    assert dict(received.message.attributes) == attributes
    assert received.message.message_id == message_id
    assert received.delivery_attempt == 0  # counted only with a dead-letter policy
    assert clients.nothing_left(subscription)


def test_attributes_alone_are_a_message(clients):
    topic = clients.topic()
    subscription = clients.subscription(topic)
    clients.publish(topic, b"", only="this")
    [received] = clients.pull_until(subscription, 1)
    assert dict(received.message.attributes) == {"only": "this"}


def test_message_comes_again_after_its_deadline(clients):
    topic = clients.topic()
    subscription = clients.subscription(topic, ack_deadline_seconds=1)
    clients.publish(topic, b"again")
    [first] = clients.pull_until(subscription, 1)
    [second] = clients.pull_until(subscription, 1)
    clients.acknowledge(subscription, [second])
    assert first.message.message_id == second.message.message_id


def test_extended_deadline_keeps_a_message_back(clients):
    topic = clients.topic()
    subscription = clients.subscription(topic, ack_deadline_seconds=1)
    clients.publish(topic, b"mine")
    received = clients.pull_until(subscription, 1)
    clients.modify(subscription, received, seconds=60)
    assert clients.pull(subscription) == []  # waits longer than the first deadline
    clients.acknowledge(subscription, received)


def test_refused_message_comes_again_at_once(clients):
    topic = clients.topic()
    subscription = clients.subscription(topic, ack_deadline_seconds=600)
    clients.publish(topic, b"no")
    for _ in range(3):
        received = clients.pull_until(subscription, 1)
        clients.modify(subscription, received, seconds=0)
    assert [m.message.data for m in clients.pull_until(subscription, 1)] == [b"no"]


def test_message_that_fails_five_times_becomes_a_dead_letter(clients):
    topic, dead_topic = clients.topic(), clients.topic()
    policy = {"dead_letter_topic": dead_topic, "max_delivery_attempts": 5}
    subscription = clients.subscription(topic, dead_letter_policy=policy)
    dead_subscription = clients.subscription(dead_topic)
    clients.publish(topic, b"poison", dataset="REMIT")

    attempts = []
    for _ in range(5):
        [received] = clients.pull_until(subscription, 1)
        attempts.append(received.delivery_attempt)
        clients.modify(subscription, [received], seconds=0)
    # Before the dead letter is asked for: Google's emulator forwards at the next pull.
    assert clients.nothing_left(subscription)
    [dead] = clients.pull_until(dead_subscription, 1)

    assert attempts == [1, 2, 3, 4, 5]
    assert dead.message.data == b"poison"
    published = dead.message.attributes["CloudPubSubDeadLetterSourceTopicPublishTime"]
    assert published.startswith(f"{received.message.publish_time:%Y-%m-%dT%H:%M:%S}")
    assert dict(dead.message.attributes) == {
        "dataset": "REMIT",
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceSubscription": subscription.rsplit("/", 1)[1],
        "CloudPubSubDeadLetterSourceSubscriptionProject": "test",
        "CloudPubSubDeadLetterSourceTopicPublishTime": published,
    }


def test_each_subscription_gets_everything(clients):
    topic = clients.topic()
    subscriptions = [clients.subscription(topic) for _ in range(2)]
    bodies = [f"{number}".encode() for number in range(20)]
    clients.publish(topic, *bodies)
    for subscription in subscriptions:
        received = clients.pull_until(subscription, 20)
        clients.acknowledge(subscription, received)
        assert sorted(m.message.data for m in received) == sorted(bodies)


def test_topic_without_subscription_keeps_nothing(clients):
    topic = clients.topic()
    clients.publish(topic, b"lost")
    assert clients.nothing_left(clients.subscription(topic))


def test_what_is_not_there_is_not_found(clients):
    topic = "projects/test/topics/missing"
    subscription = "projects/test/subscriptions/missing"
    for call in [
        lambda: clients.publisher.get_topic(topic=topic),
        lambda: clients.publisher.delete_topic(topic=topic),
        lambda: clients.publish(topic, b"x"),
        lambda: clients.subscriber.create_subscription(name=subscription, topic=topic),
        lambda: clients.subscriber.get_subscription(subscription=subscription),
        lambda: clients.subscriber.delete_subscription(subscription=subscription),
        lambda: clients.pull(subscription),
        lambda: clients.subscriber.acknowledge(
            subscription=subscription, ack_ids=["1"]
        ),
    ]:
        with pytest.raises(exceptions.NotFound):
            call()


def test_what_is_there_already_exists(clients):
    topic = clients.topic()
    subscription = clients.subscription(topic)
    with pytest.raises(exceptions.AlreadyExists):
        clients.publisher.create_topic(name=topic)
    with pytest.raises(exceptions.AlreadyExists):
        clients.subscriber.create_subscription(name=subscription, topic=topic)


def test_wrong_requests_are_invalid(clients):
    topic = clients.topic()
    subscription = clients.subscription(topic)
    for call in [
        lambda: clients.publisher.create_topic(name="projects/test/topics/1"),
        lambda: clients.subscription(topic, ack_deadline_seconds=601),
        lambda: clients.subscriber.acknowledge(
            subscription=subscription, ack_ids=["nonsense"]
        ),
        lambda: clients.subscriber.pull(subscription=subscription, max_messages=0),
    ]:
        with pytest.raises(exceptions.InvalidArgument):
            call()


def test_topics_and_subscriptions_are_listed_and_deleted(clients):
    topic = clients.topic()
    subscription = clients.subscription(topic)

    assert topic in [
        t.name for t in clients.publisher.list_topics(project="projects/test")
    ]
    listed = clients.subscriber.list_subscriptions(project="projects/test")
    assert subscription in [s.name for s in listed]
    assert list(clients.publisher.list_topic_subscriptions(topic=topic)) == [
        subscription
    ]

    clients.publish(topic, b"kept")
    clients.publisher.delete_topic(topic=topic)
    config = clients.subscriber.get_subscription(subscription=subscription)
    assert config.topic == "_deleted-topic_"
    assert [m.message.data for m in clients.pull_until(subscription, 1)] == [b"kept"]
    clients.subscriber.delete_subscription(subscription=subscription)
    with pytest.raises(exceptions.NotFound):
        clients.pull(subscription)


def test_update_changes_what_the_mask_names(clients):
    topic, dead_topic = clients.topic(), clients.topic()
    subscription = clients.subscription(topic)
    updated = clients.subscriber.update_subscription(
        request={
            "subscription": {
                "name": subscription,
                "ack_deadline_seconds": 33,
                "dead_letter_policy": {"dead_letter_topic": dead_topic},
            },
            "update_mask": {"paths": ["ack_deadline_seconds", "dead_letter_policy"]},
        }
    )
    assert updated == clients.subscriber.get_subscription(subscription=subscription)
    assert updated.ack_deadline_seconds == 33
    assert updated.dead_letter_policy.dead_letter_topic == dead_topic
    assert updated.topic == topic


def test_seek_to_a_time_acknowledges_what_is_older(clients):
    topic = clients.topic()
    subscription = clients.subscription(topic, ack_deadline_seconds=600)
    clients.publish(topic, b"old")
    clients.publish(topic, b"new")
    received = clients.pull_until(subscription, 2)
    times = {m.message.data: m.message.publish_time for m in received}
    clients.subscriber.seek(
        request={"subscription": subscription, "time": times[b"new"]}
    )
    clients.modify(subscription, received, seconds=0)
    assert [m.message.data for m in clients.pull_until(subscription, 1)] == [b"new"]


def test_largest_message_passes(server, clients):
    topic = clients.topic()
    subscription = clients.subscription(topic)
    body = os.urandom(9_999_000)
    with wide_clients(server.host) as (publisher, subscriber):
        publisher.publish(topic, body).result(timeout=30)
        response = subscriber.pull(subscription=subscription, max_messages=1)
    assert response.received_messages[0].message.data == body


def test_five_thousand_messages_stream_through_once(clients):
    topic = clients.topic()
    subscription = clients.subscription(topic, ack_deadline_seconds=60)
    bodies = {f"{number}".encode() for number in range(5000)}
    received, complete = [], threading.Event()

    def callback(message):
        received.append(message.data)
        message.ack()
        if len(received) >= len(bodies):
            complete.set()

    stream = clients.subscriber.subscribe(subscription, callback)
    clients.publish(topic, *bodies)
    assert complete.wait(timeout=30)
    stream.cancel()
    stream.result(timeout=10)
    assert sorted(received) == sorted(bodies)


def test_refusals_in_a_stream_bring_messages_back(clients):
    topic = clients.topic()
    subscription = clients.subscription(topic, ack_deadline_seconds=60)
    seen, twice = [], threading.Event()

    def callback(message):
        seen.append(message.data)
        if seen.count(message.data) == 2:
            message.ack()
        else:
            message.nack()
        if len(seen) == 20:
            twice.set()

    stream = clients.subscriber.subscribe(subscription, callback)
    clients.publish(topic, *(f"{number}".encode() for number in range(10)))
    assert twice.wait(timeout=20)
    stream.cancel()
    stream.result(timeout=10)
    assert len(set(seen)) == 10


def test_asyncio_clients_publish_and_pull(server, clients):
    topic = clients.topic()
    subscription = clients.subscription(topic)

    async def through():
        async with grpc.aio.insecure_channel(server.host) as channel:
            publisher = PublisherAsyncClient(
                transport=PublisherGrpcAsyncIOTransport(channel=channel)
            )
            subscriber = SubscriberAsyncClient(
                transport=SubscriberGrpcAsyncIOTransport(channel=channel)
            )
            pulling = asyncio.create_task(
                subscriber.pull(subscription=subscription, max_messages=1)
            )
            await publisher.publish(topic=topic, messages=[{"data": b"async"}])
            return await asyncio.wait_for(pulling, 10)

    response = asyncio.run(through())
    assert [m.message.data for m in response.received_messages] == [b"async"]
