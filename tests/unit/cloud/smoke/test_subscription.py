"""What is asked of a subscription, over what Pub/Sub says of one."""

import datetime as dt

import pytest
from google.protobuf.duration_pb2 import Duration
from google.pubsub_v1 import types

from cloud.place import Place
from cloud.smoke import subscriptions

PLACE = Place("my-project")
LOCAL = Place("my-project", local=True)


def subscription(**changes):
    """As `gcloud pubsub subscriptions create` with all of our options makes it."""
    values = {
        "name": PLACE.subscription_path,
        "topic": PLACE.topic_path,
        "ack_deadline_seconds": 60,
        "message_retention_duration": Duration(seconds=604_800),
        "expiration_policy": types.ExpirationPolicy(),
        "dead_letter_policy": types.DeadLetterPolicy(
            dead_letter_topic=f"{PLACE.topic_path}-dead-letters",
            max_delivery_attempts=50,
        ),
    }
    return types.Subscription(values | changes)


def test_one_as_it_is_to_be():
    given = subscription()
    assert subscriptions.attached(given, PLACE).verdict == "ok"
    assert subscriptions.settings(given, PLACE).verdict == "ok"
    assert subscriptions.dead_letters(given, ["s"], PLACE).verdict == "ok"


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"topic": "_deleted-topic_"}, "_deleted-topic_"),
        ({"detached": True}, "no topic any more"),
        ({"filter": 'attributes.dataset = "FREQ"'}, "FREQ"),
        ({"push_config": {"push_endpoint": "https://x"}}, "pushes to https://x"),
        ({"bigquery_config": {"table": "p.d.t"}}, "elsewhere"),
    ],
)
def test_messages_go_elsewhere(changes, seen):
    finding = subscriptions.attached(subscription(**changes), PLACE)
    assert finding.verdict == "FAILED"
    assert seen in finding.seen


@pytest.mark.parametrize(
    ("changes", "seen", "option"),
    [
        (
            {"message_retention_duration": Duration(seconds=600)},
            "messages live 600 s, 7 days are wanted",
            "--message-retention-duration 7d",
        ),
        (
            {"expiration_policy": {"ttl": dt.timedelta(days=31)}},
            "it is deleted when nobody has read it for 31 days",
            "--expiration-period never",
        ),
        (
            {"ack_deadline_seconds": 10},
            "ack deadline 10 s, 60 s are wanted",
            "--ack-deadline 60",
        ),
    ],
)
def test_settings_that_lose_messages(changes, seen, option):
    finding = subscriptions.settings(subscription(**changes), PLACE)
    assert (finding.verdict, finding.seen) == ("FAILED", seen)
    assert option in finding.todo


def test_an_expiry_that_nobody_chose_is_31_days():
    given = types.Subscription(
        ack_deadline_seconds=60, message_retention_duration=Duration(seconds=604_800)
    )
    assert "31 days" in subscriptions.settings(given, PLACE).seen


def test_a_local_one_is_not_judged_by_what_only_the_service_has():
    given = types.Subscription(ack_deadline_seconds=10)
    assert subscriptions.settings(given, LOCAL).verdict == "ok"


@pytest.mark.parametrize(
    ("changes", "readers", "seen", "command"),
    [
        ({"dead_letter_policy": {}}, None, "has none", "topics create"),
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
            "given up after 5 attempts",
            "--max-delivery-attempts 50",
        ),
    ],
)
def test_dead_letters_that_nobody_keeps(changes, readers, seen, command):
    finding = subscriptions.dead_letters(subscription(**changes), readers, PLACE)
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
    finding = subscriptions.dead_letters(given, ["s"], PLACE, streams=streams)
    assert finding.verdict == verdict
    assert "--dead-letter-topic" not in finding.todo
    assert ("--clear-dead-letter-policy" in finding.todo) == (verdict == "FAILED")
