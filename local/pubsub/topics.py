"""The topics and subscriptions of a local Pub/Sub."""

import contextlib

import grpc
from google.api_core.exceptions import AlreadyExists
from google.pubsub_v1 import PublisherClient, SubscriberClient, types
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from local.bigquery.emulator import PROJECT

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
# High: messages must survive some minutes without BigQuery.
MAX_DELIVERY_ATTEMPTS = 50


def create_topics(host: str) -> None:
    """Creates the topics and subscriptions that do not exist yet.

    Args:
        host: `HOST:PORT` of the local Pub/Sub.
    """
    with grpc.insecure_channel(host) as channel:
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        subscriber = SubscriberClient(
            transport=SubscriberGrpcTransport(channel=channel)
        )
        for topic in (TOPIC, DEAD_LETTER_TOPIC):
            with contextlib.suppress(AlreadyExists):
                publisher.create_topic(name=topic)
        for subscription in _subscriptions():
            with contextlib.suppress(AlreadyExists):
                subscriber.create_subscription(request=subscription)


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
