"""The topic and its subscriptions: checks them, and publishes the messages of a run."""

import datetime as dt
from collections.abc import Iterator
from typing import Self

from google.api_core.exceptions import NotFound
from google.cloud import pubsub_v1
from google.pubsub_v1 import PublisherClient, types

from cloud.deployment import Deployment
from cloud.smoke import subscriptions
from cloud.smoke.findings import Finding, failed, ok, unknown
from cloud.smoke.messages import SmokeMessage
from command.text import first_line
from pipeline.subscription import PUBSUB_ERRORS, emulator_transport

ANSWER_SECONDS = 30.0


class Pubsub:
    """The Pub/Sub of a deployment; use it as a context.

    Raises:
        google.auth.exceptions.GoogleAuthError: There are no credentials.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self._publisher = pubsub_v1.PublisherClient()
        self._subscriber = pubsub_v1.SubscriberClient(transport=emulator_transport())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._publisher.stop()
        self._publisher.transport.close()
        self._subscriber.close()

    def findings(self, *, streams: bool | None = False) -> Iterator[Finding]:
        """Whether topic, subscription and dead-letter topic are set up correctly.

        Args:
            streams: Whether Dataflow reads the subscription; None if it is not known.
        """
        yield self._topic()
        try:
            subscription = self._get_subscription(self.deployment.subscription_path)
        except NotFound:
            yield subscriptions.missing(self.deployment)
            return
        except PUBSUB_ERRORS as error:
            yield unknown("subscription", first_line(error))
            return
        yield subscriptions.attached(subscription, self.deployment)
        yield subscriptions.settings(subscription, self.deployment)
        yield self._dead_letters(subscription, streams)

    def publish(self, messages: tuple[SmokeMessage, ...], now: dt.datetime) -> None:
        """Publishes messages with one request.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: Pub/Sub refused them, or it
                is unknown whether it received them.
        """
        # The plain method: no batches, and no retry, which could publish them twice.
        PublisherClient.publish(
            self._publisher,
            topic=self.deployment.topic_path,
            messages=[
                types.PubsubMessage(data=each.data, attributes=each.attributes(now))
                for each in messages
            ],
            retry=None,
            timeout=ANSWER_SECONDS,
        )

    def _topic(self) -> Finding:
        path = self.deployment.topic_path
        try:
            topic = self._publisher.get_topic(
                topic=path, retry=None, timeout=ANSWER_SECONDS
            )
        except NotFound:
            return failed(
                "topic",
                f"{path} does not exist",
                self.deployment.gcloud(f"pubsub topics create {self.deployment.topic}"),
            )
        except PUBSUB_ERRORS as error:
            return unknown("topic", first_line(error))
        if topic.schema_settings.schema:
            return failed(
                "topic",
                f"{path} has a schema, which refuses IRIS messages",
                self.deployment.gcloud(
                    f"pubsub topics update {self.deployment.topic} "
                    "--clear-schema-settings"
                ),
            )
        return ok("topic", f"{path} exists")

    def _get_subscription(self, path: str) -> types.Subscription:
        return self._subscriber.get_subscription(
            subscription=path, retry=None, timeout=ANSWER_SECONDS
        )

    def _dead_letters(
        self, subscription: types.Subscription, streams: bool | None
    ) -> Finding:
        readers = None
        if topic := subscription.dead_letter_policy.dead_letter_topic:
            try:
                answer = self._publisher.list_topic_subscriptions(
                    topic=topic, retry=None, timeout=ANSWER_SECONDS
                )
                readers = list(answer)
            except NotFound:
                pass
            except PUBSUB_ERRORS as error:
                return unknown(subscriptions.DEAD_LETTERS, first_line(error))
        return subscriptions.dead_letters(
            subscription, readers, self.deployment, streams=streams
        )
