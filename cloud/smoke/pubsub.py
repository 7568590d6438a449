"""The topic and its subscriptions: what they are, and the messages of a run to them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from google.api_core.exceptions import NotFound
from google.cloud import pubsub_v1
from google.pubsub_v1 import PublisherClient, types

from cloud.place import Place
from cloud.smoke import subscriptions
from cloud.smoke.findings import Finding, failed, ok, unknown
from cloud.smoke.messages import SmokeMessage
from command.text import first_line
from pipeline.subscription import PUBSUB_ERRORS, emulator_transport

ANSWER_SECONDS = 30.0


class Pubsub:
    """The Pub/Sub of a place; use it as a context.

    Raises:
        google.auth.exceptions.GoogleAuthError: There are no credentials.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._publisher = pubsub_v1.PublisherClient()
        self._subscriber = pubsub_v1.SubscriberClient(transport=emulator_transport())

    def __enter__(self) -> Pubsub:
        return self

    def __exit__(self, *_: object) -> None:
        self._publisher.stop()
        self._publisher.transport.close()
        self._subscriber.close()

    def findings(self, *, streams: bool | None = False) -> Iterator[Finding]:
        """Whether topic, subscription and dead-letter topic are as they are to be.

        Args:
            streams: Whether Dataflow reads the subscription; None where it is not
                known.
        """
        yield self._topic()
        try:
            subscription = self._get_subscription(self.place.subscription_path)
        except NotFound:
            yield subscriptions.missing(self.place)
            return
        except PUBSUB_ERRORS as error:
            yield unknown("subscription", first_line(error))
            return
        yield subscriptions.attached(subscription, self.place)
        yield subscriptions.settings(subscription, self.place)
        yield self._dead_letters(subscription, streams)

    def publish(self, messages: tuple[SmokeMessage, ...], now: dt.datetime) -> None:
        """Publishes messages with one request.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: Pub/Sub has none of them, or
                nobody knows.
        """
        # The plain method: no batches, no second try that would publish twice.
        PublisherClient.publish(
            self._publisher,
            topic=self.place.topic_path,
            messages=[
                types.PubsubMessage(data=each.data, attributes=each.attributes(now))
                for each in messages
            ],
            retry=None,
            timeout=ANSWER_SECONDS,
        )

    def _topic(self) -> Finding:
        path = self.place.topic_path
        try:
            topic = self._publisher.get_topic(
                topic=path, retry=None, timeout=ANSWER_SECONDS
            )
        except NotFound:
            return failed(
                "topic",
                f"{path} does not exist",
                f"gcloud pubsub topics create {self.place.topic} "
                f"--project {self.place.project}",
            )
        except PUBSUB_ERRORS as error:
            return unknown("topic", first_line(error))
        if topic.schema_settings.schema:
            return failed(
                "topic",
                f"{path} has a schema, which refuses IRIS's messages",
                f"gcloud pubsub topics update {self.place.topic} "
                f"--clear-schema-settings --project {self.place.project}",
            )
        return ok("topic", f"{path} exists")

    def _get_subscription(self, path: str) -> Any:
        return self._subscriber.get_subscription(
            subscription=path, retry=None, timeout=ANSWER_SECONDS
        )

    def _dead_letters(self, subscription: Any, streams: bool | None) -> Finding:
        topic = subscription.dead_letter_policy.dead_letter_topic
        if not topic:
            return subscriptions.dead_letters(
                subscription, None, self.place, streams=streams
            )
        try:
            readers = list(
                self._publisher.list_topic_subscriptions(
                    topic=topic, retry=None, timeout=ANSWER_SECONDS
                )
            )
        except NotFound:
            readers = None
        except PUBSUB_ERRORS as error:
            return unknown("dead-letter topic", first_line(error))
        return subscriptions.dead_letters(
            subscription, readers, self.place, streams=streams
        )
