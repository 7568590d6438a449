"""How a subscription must be set up, tested with descriptions by Pub/Sub."""

import datetime as dt

import pytest
from google.protobuf.duration_pb2 import Duration
from google.pubsub_v1 import types

from cloud.deployment import Deployment
from cloud.smoke import subscriptions

DEPLOYMENT = Deployment("my-project")
LOCAL = Deployment("my-project", local=True)


def subscription(**changes):
    """As `gcloud pubsub subscriptions create` with all of our options makes it."""
    values = {
        "name": DEPLOYMENT.subscription_path,
        "topic": DEPLOYMENT.topic_path,
        "ack_deadline_seconds": 60,
        "message_retention_duration": Duration(seconds=604_800),
        "expiration_policy": types.ExpirationPolicy(),
        "dead_letter_policy": types.DeadLetterPolicy(
            dead_letter_topic=f"{DEPLOYMENT.topic_path}-dead-letters",
            max_delivery_attempts=50,
        ),
    }
    return types.Subscription(values | changes)


def test_a_subscription_as_it_should_be():
    given = subscription()
    assert subscriptions.attached(given, DEPLOYMENT).verdict == "ok"
    assert subscriptions.settings(given, DEPLOYMENT).verdict == "ok"
    assert subscriptions.dead_letters(given, ["s"], DEPLOYMENT).verdict == "ok"


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"topic": "_deleted-topic_"}, "_deleted-topic_"),
        ({"detached": True}, "is detached from its topic"),
        ({"filter": 'attributes.dataset = "FREQ"'}, "FREQ"),
        ({"push_config": {"push_endpoint": "https://x"}}, "pushes to https://x"),
        ({"bigquery_config": {"table": "p.d.t"}}, "to BigQuery or Cloud Storage"),
    ],
)
def test_messages_go_elsewhere(changes, seen):
    finding = subscriptions.attached(subscription(**changes), DEPLOYMENT)
    assert finding.verdict == "FAILED"
    assert seen in finding.seen


@pytest.mark.parametrize(
    ("changes", "seen", "option"),
    [
        (
            {"message_retention_duration": Duration(seconds=600)},
            "keeps messages 600 s, not 7 days",
            "--message-retention-duration 7d",
        ),
        (
            {"expiration_policy": {"ttl": dt.timedelta(days=31)}},
            "is deleted if nothing reads it for 31 days",
            "--expiration-period never",
        ),
        (
            {"ack_deadline_seconds": 10},
            "has an ack deadline of 10 s, not 60 s",
            "--ack-deadline 60",
        ),
    ],
)
def test_settings_that_lose_messages(changes, seen, option):
    finding = subscriptions.settings(subscription(**changes), DEPLOYMENT)
    assert (finding.verdict, finding.seen) == ("FAILED", seen)
    assert option in finding.todo


def test_an_expiry_that_nobody_chose_is_31_days():
    given = types.Subscription(
        ack_deadline_seconds=60, message_retention_duration=Duration(seconds=604_800)
    )
    assert "31 days" in subscriptions.settings(given, DEPLOYMENT).seen


def test_a_local_one_is_not_judged_by_what_only_the_service_has():
    given = types.Subscription(ack_deadline_seconds=10)
    assert subscriptions.settings(given, LOCAL).verdict == "ok"


@pytest.mark.parametrize(
    ("changes", "readers", "seen", "command"),
    [
        ({"dead_letter_policy": {}}, None, "has no dead-letter topic", "topics create"),
        ({}, None, "does not exist", "topics create"),
        ({}, [], "keeps nothing", "subscriptions create iris-messages-dead-letters"),
        (
            {
                "dead_letter_policy": {
                    "dead_letter_topic": "projects/p/topics/t",
                    "max_delivery_attempts": 5,
                }
            },
            ["s"],
            "gives up a message after 5 attempts",
            "--max-delivery-attempts 50",
        ),
    ],
)
def test_dead_letters_that_nobody_keeps(changes, readers, seen, command):
    finding = subscriptions.dead_letters(subscription(**changes), readers, DEPLOYMENT)
    assert finding.verdict == "FAILED"
    assert seen in finding.seen
    assert command in finding.todo


@pytest.mark.parametrize(
    ("changes", "streams", "verdict"),
    [
        ({"dead_letter_policy": {}}, True, "ok"),
        ({"dead_letter_policy": {}}, None, "not known"),
        ({}, True, "FAILED"),
        ({}, None, "ok"),
    ],
)
def test_a_stream_of_dataflow_has_no_dead_letter_topic(changes, streams, verdict):
    given = subscription(**changes)
    finding = subscriptions.dead_letters(given, ["s"], DEPLOYMENT, streams=streams)
    assert finding.verdict == verdict
    assert "--dead-letter-topic" not in finding.todo
    assert ("--clear-dead-letter-policy" in finding.todo) == (verdict == "FAILED")
