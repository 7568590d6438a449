"""The embedded Pub/Sub when its store, or a request, fails half-way."""

import asyncio
import functools
import time

import pytest
from google.pubsub_v1 import types

from local.pubsub.limits import RefusalError
from local.pubsub.message_store import MessageStore
from local.pubsub.service import PubSubService

TOPIC = "projects/test/topics/topic"
SUBSCRIPTION = "projects/test/subscriptions/subscription"
# More than a page of the file: one that comes again needs a new place.
BODY = b"x" * 100_000


def in_a_loop(test):
    """Runs a test in the event loop that the service needs."""

    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(test(**fixtures))

    return run


@pytest.fixture
def store(tmp_path):
    store = MessageStore(tmp_path / "pubsub.sqlite")
    yield store
    store.close()


@pytest.fixture
def service(store):
    service = PubSubService(store)
    with service.transaction():
        service.create_topic(types.Topic.pb()(name=TOPIC))
        service.create_subscription(
            types.Subscription.pb()(
                name=SUBSCRIPTION, topic=TOPIC, ack_deadline_seconds=1
            )
        )
    return service


def publish(service, count):
    message = types.PubsubMessage.pb()(data=BODY)
    request = types.PublishRequest.pb()(topic=TOPIC, messages=[message] * count)
    with service.transaction():
        return list(service.publish(request).message_ids)


async def pull(service, seconds=0.0):
    """The ids of messages, and of their deliveries; waits this long for the first."""
    request = types.PullRequest.pb()(
        subscription=SUBSCRIPTION, max_messages=1000, return_immediately=not seconds
    )
    received = (await service.pull(request, seconds or None)).received_messages
    return {one.message.message_id: one.ack_id for one in received}


@in_a_loop
async def test_messages_come_again_once_a_full_disk_has_room(service, store):
    published = publish(service, 3)
    assert sorted(await pull(service)) == published
    store.limit_pages(1)
    await asyncio.sleep(1.5)  # their deadline
    assert await pull(service) == {}
    store.limit_pages(1_000_000)
    again = {}
    deadline = time.monotonic() + 10
    while len(again) < 3:
        assert time.monotonic() < deadline, again
        again |= await pull(service, seconds=1)
    assert sorted(again) == published


@in_a_loop
async def test_acknowledgement_beside_a_wrong_id_leaves_no_message_behind(service):
    published = publish(service, 1)
    ack_ids = list((await pull(service)).values())

    async def requests():
        yield types.StreamingPullRequest.pb()(
            subscription=SUBSCRIPTION,
            stream_ack_deadline_seconds=10,
            ack_ids=ack_ids,
            modify_deadline_ack_ids=["no id"],
            modify_deadline_seconds=[10],
        )

    with pytest.raises(RefusalError, match="Invalid ack id"):
        await anext(service.streaming_pull(requests()))
    assert list(await pull(service)) == published
