"""The limits of Pub/Sub, each at its edge."""

import pytest
from google.pubsub_v1 import types

from local.pubsub import limits

PubsubMessage = types.PubsubMessage.pb()
Subscription = types.Subscription.pb()


def message(data=b"", **attributes):
    return PubsubMessage(data=data, attributes=attributes)


@pytest.mark.parametrize(
    "allowed",
    [
        message(b"x" * 10_000_000),
        message(key="v" * 1024),
        message(**{"k" * 256: "v"}),
        message(**{f"k{number}": "v" for number in range(100)}),
        message(goo="gle"),
    ],
    ids=["10 MB", "1,024 bytes", "256 bytes", "100 attributes", "goo"],
)
def test_message_at_a_limit_passes(allowed):
    limits.check_messages([allowed])


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (message(b"x" * 10_000_001), "10000001 bytes of data"),
        (message(key="£" * 513), "value of attribute 'key'"),
        (message(**{"k" * 257: "v"}), "over 256 bytes"),
        (message(**{f"k{number}": "v" for number in range(101)}), "101 attributes"),
        (message(googclient="v"), "'googclient'"),
        (message(**{"": "v"}), "empty"),
        (message(), "neither data nor attributes"),
    ],
    ids=["data", "value", "key", "attributes", "reserved", "empty key", "empty"],
)
def test_message_beyond_a_limit_is_named(refused, reason):
    with pytest.raises(limits.RefusalError, match=f"Message 1: .*{reason}"):
        limits.check_messages([message(b"good"), refused])


@pytest.mark.parametrize("count", [0, 1001])
def test_number_of_messages_is_bounded(count):
    with pytest.raises(limits.RefusalError, match="1 to 1000"):
        limits.check_messages([message(b"x")] * count)


@pytest.mark.parametrize(
    "name",
    [
        "projects/p/topics/abc",
        "projects/p/topics/a-b_c.d~e+f%g",
        "projects/domain.com:p/topics/" + "a" * 255,
    ],
)
def test_good_name_passes(name):
    limits.check_name(name, "topics")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "abc",
        "projects/p/topics/ab",
        "projects/p/topics/1abc",
        "projects/p/topics/google",
        "projects/p/topics/a/b",
        "projects/p/topics/" + "a" * 256,
        "projects/p/subscriptions/abc",
        "projects/p/topics/abc\n",
    ],
)
def test_bad_name_is_refused(name):
    with pytest.raises(limits.RefusalError, match=r"Invalid \[topics\] name"):
        limits.check_name(name, "topics")


def test_subscription_gets_the_defaults_of_the_service():
    config = Subscription()
    config.dead_letter_policy.dead_letter_topic = "projects/p/topics/dead"
    limits.complete_subscription(config)
    assert config.ack_deadline_seconds == 10
    assert config.dead_letter_policy.max_delivery_attempts == 5


@pytest.mark.parametrize(
    "config",
    [
        {"ack_deadline_seconds": 601},
        {"ack_deadline_seconds": -1},
        {"dead_letter_policy": {"max_delivery_attempts": 4}},
        {"dead_letter_policy": {"max_delivery_attempts": 101}},
        {"filter": 'attributes.dataset = "FREQ"'},
        {"push_config": {"push_endpoint": "https://example.com"}},
    ],
)
def test_subscription_out_of_bounds_is_refused(config):
    with pytest.raises(limits.RefusalError):
        limits.complete_subscription(Subscription(**config))


@pytest.mark.parametrize("ack_id", ["", "x", "-1", "1.5", "٣", "1" * 19])
def test_foreign_ack_id_is_refused(ack_id):
    with pytest.raises(limits.RefusalError, match="Invalid ack id"):
        limits.positions(["1", ack_id])
