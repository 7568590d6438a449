"""How a subscription must be set up. Pure functions over what Pub/Sub says of it."""

import datetime as dt
from collections.abc import Sequence

from google.pubsub_v1 import types

from cloud.deployment import Deployment
from cloud.smoke.findings import Finding, failed, ok, unknown

# Longer than IRIS keeps a message, so that the pipeline may be down for some days.
RETENTION = dt.timedelta(days=7)
# A drain's round of some thousand messages takes seconds, and it extends its leases. A
# minute is enough even if it cannot extend them.
ACK_SECONDS = 60
# High: Pub/Sub must not give up a message while BigQuery is away for some minutes.
DELIVERY_ATTEMPTS = 50
DEAD_LETTERS = "dead-letter topic"


def missing(deployment: Deployment) -> Finding:
    """The finding for a subscription that does not exist."""
    return failed(
        "subscription",
        f"{deployment.subscription_path} does not exist",
        deployment.gcloud(
            f"pubsub subscriptions create {deployment.subscription} --topic "
            f"{deployment.topic} --ack-deadline {ACK_SECONDS} "
            "--expiration-period never"
        ),
    )


def attached(subscription: types.Subscription, deployment: Deployment) -> Finding:
    """Whether the pipeline receives from it every message of the topic."""
    name = "subscription"
    delete = deployment.gcloud(f"pubsub subscriptions delete {deployment.subscription}")
    create_again = f"{delete}, then: {missing(deployment).todo}"
    path = deployment.subscription_path
    if subscription.detached:
        return failed(name, f"{path} is detached from its topic", create_again)
    if subscription.topic != deployment.topic_path:
        seen = f"{path} receives the messages of {subscription.topic}"
        return failed(name, seen, create_again)
    if subscription.push_config.push_endpoint:
        return failed(
            name,
            f"{path} pushes to {subscription.push_config.push_endpoint}",
            deployment.gcloud(
                f"pubsub subscriptions update {deployment.subscription} "
                "--push-endpoint="
            ),
        )
    if subscription.bigquery_config.table or subscription.cloud_storage_config.bucket:
        seen = f"{path} sends its messages to BigQuery or Cloud Storage"
        return failed(name, seen, create_again)
    if subscription.filter:
        seen = f"{path} receives only messages with {subscription.filter}"
        return failed(name, seen, create_again)
    return ok(name, f"{path} receives every message of {deployment.topic}")


def settings(subscription: types.Subscription, deployment: Deployment) -> Finding:
    """Whether it keeps messages for long enough.

    A local Pub/Sub reports the service's defaults, or nothing: most are not checked.
    """
    retention = subscription.message_retention_duration or RETENTION
    seconds = subscription.ack_deadline_seconds
    never = "expiration_policy" in subscription and not (
        subscription.expiration_policy.ttl
    )
    seen, options = [], []
    if retention < RETENTION:
        seen.append(f"keeps messages {_days(retention)}, not {_days(RETENTION)}")
        options.append("--message-retention-duration 7d")
    if not deployment.local and not never:
        ttl = subscription.expiration_policy.ttl
        after = _days(ttl) if ttl else "31 days"  # Pub/Sub's default
        seen.append(f"is deleted if nothing reads it for {after}")
        options.append("--expiration-period never")
    if not deployment.local and seconds < ACK_SECONDS:
        seen.append(f"has an ack deadline of {seconds} s, not {ACK_SECONDS} s")
        options.append(f"--ack-deadline {ACK_SECONDS}")
    if seen:
        return failed(
            "subscription settings",
            "; ".join(seen),
            deployment.gcloud(
                f"pubsub subscriptions update {deployment.subscription} "
                f"{' '.join(options)}"
            ),
        )
    expiry = "never expires" if never else "expiry is not checked locally"
    return ok(
        "subscription settings",
        f"keeps messages {_days(retention)}, {expiry}, ack deadline {seconds} s",
    )


def dead_letters(
    subscription: types.Subscription,
    readers: Sequence[str] | None,
    deployment: Deployment,
    *,
    streams: bool | None = False,
) -> Finding:
    """Whether messages that cannot be delivered are kept.

    Dataflow does not support a dead-letter topic: it holds and retries messages itself,
    and Pub/Sub would move messages that Dataflow still processes
    (https://cloud.google.com/pubsub/docs/handling-failures).

    Args:
        subscription: The subscription of the pipeline.
        readers: The subscriptions of its dead-letter topic; None if it has no such
            topic.
        streams: Whether Dataflow reads the subscription; None if it is not known.
    """
    topic = subscription.dead_letter_policy.dead_letter_topic
    if streams and topic:
        return failed(
            DEAD_LETTERS,
            f"{deployment.subscription} has a dead-letter topic, which Dataflow does "
            "not support",
            deployment.gcloud(
                f"pubsub subscriptions update {deployment.subscription} "
                "--clear-dead-letter-policy"
            ),
        )
    if streams:
        return ok(DEAD_LETTERS, "none, as Dataflow reads the subscription")
    if not topic and streams is None:
        return unknown(
            DEAD_LETTERS,
            f"{deployment.subscription} has no dead-letter topic: right for Dataflow, "
            "wrong for a drain; which of them reads it is not known",
        )
    return _of_drain(subscription, readers, deployment)


def _of_drain(
    subscription: types.Subscription,
    readers: Sequence[str] | None,
    deployment: Deployment,
) -> Finding:
    topic = subscription.dead_letter_policy.dead_letter_topic
    wanted = deployment.dead_letters
    update = deployment.gcloud(
        f"pubsub subscriptions update {deployment.subscription} "
        f"--dead-letter-topic {wanted} --max-delivery-attempts "
        f"{DELIVERY_ATTEMPTS}"
    )
    if not topic or readers is None:
        has_none = f"{deployment.subscription} has no dead-letter topic"
        create = deployment.gcloud(f"pubsub topics create {wanted}")
        return failed(
            DEAD_LETTERS,
            f"{topic} does not exist" if topic else has_none,
            f"{create}, then: {update}",
        )
    short = topic.rpartition("/")[2]
    if not readers:
        return failed(
            DEAD_LETTERS,
            f"{topic} has no subscription, so it keeps nothing",
            deployment.gcloud(
                f"pubsub subscriptions create {short} --topic {short} "
                "--expiration-period never"
            ),
        )
    attempts = subscription.dead_letter_policy.max_delivery_attempts
    if attempts < DELIVERY_ATTEMPTS:
        return failed(
            DEAD_LETTERS,
            f"Pub/Sub gives up a message after {attempts} attempts, too few while "
            f"BigQuery is down: set {DELIVERY_ATTEMPTS}",
            update,
        )
    count = len(readers)
    subscribed = "1 subscription" if count == 1 else f"{count} subscriptions"
    seen = f"{short} with {subscribed}, after {attempts} attempts"
    return ok(DEAD_LETTERS, seen)


def _days(duration: dt.timedelta) -> str:
    days = duration / dt.timedelta(days=1)
    return f"{days:g} days" if days >= 1 else f"{duration.total_seconds():.0f} s"
