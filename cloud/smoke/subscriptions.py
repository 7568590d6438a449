"""What a subscription is to be like. Pure functions over what Pub/Sub says of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from cloud.place import Place
from cloud.smoke.findings import Finding, failed, ok, unknown

# Longer than IRIS keeps a message, so that a pipeline may be away for some days.
RETENTION = dt.timedelta(days=7)
# A drain's round of some thousand messages takes seconds, and it extends its leases; a
# minute holds where it cannot.
ACK_SECONDS = 60
# High: a message is not to be given up while BigQuery is away for some minutes.
DELIVERY_ATTEMPTS = 50
DEAD_LETTERS = "dead-letter topic"


def missing(place: Place) -> Finding:
    """There is no such subscription."""
    return failed(
        "subscription",
        f"{place.subscription_path} does not exist",
        f"gcloud pubsub subscriptions create {place.subscription} "
        f"--topic {place.topic} --ack-deadline {ACK_SECONDS} "
        f"--expiration-period never --project {place.project}",
    )


def attached(subscription: Any, place: Place) -> Finding:
    """Whether the pipeline gets from it what is published to the topic."""
    name = "subscription"
    update = f"gcloud pubsub subscriptions update {place.subscription}"
    anew = (
        f"gcloud pubsub subscriptions delete {place.subscription} "
        f"--project {place.project}, then: {missing(place).todo}"
    )
    if subscription.detached or subscription.topic != place.topic_path:
        topic = "no topic any more" if subscription.detached else subscription.topic
        return failed(name, f"it gets the messages of {topic}", anew)
    if subscription.push_config.push_endpoint:
        return failed(
            name,
            f"it pushes to {subscription.push_config.push_endpoint}",
            f"{update} --push-endpoint= --project {place.project}",
        )
    if subscription.bigquery_config.table or subscription.cloud_storage_config.bucket:
        return failed(name, "Pub/Sub itself writes what it gets elsewhere", anew)
    if subscription.filter:
        return failed(name, f"it leaves out all but {subscription.filter}", anew)
    return ok(name, f"{place.subscription_path} gets every message of {place.topic}")


def settings(subscription: Any, place: Place) -> Finding:
    """Whether it keeps messages for long enough.

    A local Pub/Sub shows the service's defaults, or nothing, and is not judged by them.
    """
    retention = subscription.message_retention_duration or RETENTION
    seconds = subscription.ack_deadline_seconds
    never = "expiration_policy" in subscription and not (
        subscription.expiration_policy.ttl
    )
    seen, options = [], []
    if retention < RETENTION:
        seen.append(f"messages live {_days(retention)}, {_days(RETENTION)} are wanted")
        options.append("--message-retention-duration 7d")
    if not place.local and not never:
        ttl = subscription.expiration_policy.ttl
        after = _days(ttl) if ttl else "31 days"  # Pub/Sub's default
        seen.append(f"it is deleted when nobody has read it for {after}")
        options.append("--expiration-period never")
    if not place.local and seconds < ACK_SECONDS:
        seen.append(f"ack deadline {seconds} s, {ACK_SECONDS} s are wanted")
        options.append(f"--ack-deadline {ACK_SECONDS}")
    if seen:
        return failed(
            "subscription settings",
            "; ".join(seen),
            f"gcloud pubsub subscriptions update {place.subscription} "
            f"{' '.join(options)} --project {place.project}",
        )
    expiry = "expires never" if never else "expiry is not looked at locally"
    return ok(
        "subscription settings",
        f"keeps messages {_days(retention)}, {expiry}, ack deadline {seconds} s",
    )


def dead_letters(
    subscription: Any,
    readers: Sequence[str] | None,
    place: Place,
    *,
    streams: bool | None = False,
) -> Finding:
    """Whether what cannot be delivered is kept somewhere.

    Dataflow supports no dead-letter topic: it holds and retries by itself, and Pub/Sub
    would move what it is still at work on
    (https://cloud.google.com/pubsub/docs/handling-failures).

    Args:
        subscription: The subscription of the pipeline.
        readers: The subscriptions of its dead-letter topic; None where there is none.
        place: The deployment.
        streams: Whether Dataflow reads the subscription; None where it is not known.
    """
    topic = subscription.dead_letter_policy.dead_letter_topic
    if streams and topic:
        return failed(
            DEAD_LETTERS,
            f"{place.subscription} has one, which Dataflow does not support",
            f"gcloud pubsub subscriptions update {place.subscription} "
            f"--clear-dead-letter-policy --project {place.project}",
        )
    if streams:
        return ok(DEAD_LETTERS, "none, as Dataflow reads the subscription")
    if not topic and streams is None:
        return unknown(
            DEAD_LETTERS,
            f"{place.subscription} has none: fine where Dataflow reads it, and a "
            "drain needs one; whether Dataflow does is not known",
        )
    return _of_drain(subscription, readers, place)


def _of_drain(
    subscription: Any, readers: Sequence[str] | None, place: Place
) -> Finding:
    topic = subscription.dead_letter_policy.dead_letter_topic
    wanted = f"{place.topic}-dead-letters"
    update = (
        f"gcloud pubsub subscriptions update {place.subscription} --dead-letter-topic "
        f"{wanted} --max-delivery-attempts {DELIVERY_ATTEMPTS} "
        f"--project {place.project}"
    )
    if not topic or readers is None:
        seen = f"{topic} does not exist" if topic else f"{place.subscription} has none"
        create = f"gcloud pubsub topics create {wanted} --project {place.project}"
        return failed(DEAD_LETTERS, seen, f"{create}, then: {update}")
    short = topic.rpartition("/")[2]
    if not readers:
        return failed(
            DEAD_LETTERS,
            f"{topic} has no subscription, so it keeps nothing",
            f"gcloud pubsub subscriptions create {short} --topic {short} "
            f"--expiration-period never --project {place.project}",
        )
    attempts = subscription.dead_letter_policy.max_delivery_attempts
    if attempts < DELIVERY_ATTEMPTS:
        return failed(
            DEAD_LETTERS,
            f"a message is given up after {attempts} attempts, "
            f"{DELIVERY_ATTEMPTS} outlast an absence of BigQuery",
            update,
        )
    seen = f"{short}, read by {len(readers)}, after {attempts} attempts"
    return ok(DEAD_LETTERS, seen)


def _days(duration: dt.timedelta) -> str:
    days = duration / dt.timedelta(days=1)
    return f"{days:g} days" if days >= 1 else f"{duration.total_seconds():.0f} s"
