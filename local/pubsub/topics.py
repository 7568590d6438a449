"""The topics and subscriptions of a local Pub/Sub."""

from typing import Any

import grpc

from command.tables_path import LOCAL_TABLES
from local.pubsub.api import types

PROJECT, _ = LOCAL_TABLES

TOPIC = f"projects/{PROJECT}/topics/iris-messages"
SUBSCRIPTION = f"projects/{PROJECT}/subscriptions/iris-messages-pipeline"
DEAD_LETTER_TOPIC = f"{TOPIC}-dead-letters"
# A topic without a subscription keeps nothing.
DEAD_LETTER_SUBSCRIPTION = (
    f"projects/{PROJECT}/subscriptions/iris-messages-dead-letters"
)

# The minimum: the messages of a killed reader come again soon. A reader that needs more
# time extends it.
ACK_DEADLINE_SECONDS = 10
CALL_SECONDS = 60.0
# High: messages must survive some minutes without BigQuery.
MAX_DELIVERY_ATTEMPTS = 50


def create_topics(host: str) -> None:
    """Creates the topics and subscriptions that do not exist yet.

    Args:
        host: `HOST:PORT` of the local Pub/Sub.
    """
    with grpc.insecure_channel(host) as channel:
        for topic in (TOPIC, DEAD_LETTER_TOPIC):
            _create(channel, "Publisher/CreateTopic", types.Topic(name=topic))
        for subscription in _subscriptions():
            _create(channel, "Subscriber/CreateSubscription", subscription)


def _create(channel: grpc.Channel, method: str, resource: Any) -> None:
    """Creates a resource, if it does not exist yet."""
    call = channel.unary_unary(
        f"/google.pubsub.v1.{method}",
        type(resource).serialize,
        type(resource).deserialize,
    )
    try:
        call(resource, timeout=CALL_SECONDS, wait_for_ready=True)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
            raise


def _subscriptions() -> list[types.Subscription]:
    dead_letters = types.DeadLetterPolicy(
        dead_letter_topic=DEAD_LETTER_TOPIC, max_delivery_attempts=MAX_DELIVERY_ATTEMPTS
    )
    return [
        types.Subscription(
            name=DEAD_LETTER_SUBSCRIPTION,
            topic=DEAD_LETTER_TOPIC,
            ack_deadline_seconds=ACK_DEADLINE_SECONDS,
        ),
        types.Subscription(
            name=SUBSCRIPTION,
            topic=TOPIC,
            ack_deadline_seconds=ACK_DEADLINE_SECONDS,
            dead_letter_policy=dead_letters,
        ),
    ]
