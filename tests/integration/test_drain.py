"""Rounds against a Pub/Sub server: what is held, acknowledged and given back."""

import re
import threading
import time
from collections import Counter

import pytest

from command.usage import UsageError
from local.ports import private_port
from pipeline import subscription
from pipeline.drain import Drain, RoundFailedError
from pipeline.options import Limits
from pipeline.steps import dedup
from pipeline.steps.ledger import COUNTS
from pipeline.subscription import Subscription
from tests.integration.pubsub_fixture import Clients, pubsub_server

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:The return_immediately flag"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with pubsub_server("embedded", tmp_path_factory.mktemp("pubsub")) as server:
        yield server


@pytest.fixture
def clients(server, monkeypatch):
    with Clients(server.host, monkeypatch) as clients:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.host)
        monkeypatch.setattr(subscription, "EMPTY_SECONDS", 0.5)
        yield clients


class Work:
    """A graph that only counts; `then` is done with the messages of a round."""

    def __init__(self, then=lambda messages: None):
        self.rounds = []
        self.then = then

    def __call__(self, messages):
        self.rounds.append([message.data for message in messages])
        self.then(messages)
        return {**dict.fromkeys(COUNTS, 0), "messages": len(messages)}

    @property
    def taken(self):
        return Counter(data for messages in self.rounds for data in messages)


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # the condition is what is waited for


def bodies(count):
    return [b"%d" % number for number in range(count)]


@pytest.fixture
def name(clients):
    topic = clients.topic()
    name = clients.subscription(topic)
    clients.publish(topic, *bodies(250), dataset="FREQ", message_id="m")
    return name


def test_everything_is_taken_and_acknowledged(clients, name):
    work = Work()
    with Subscription(name) as held:
        drain = Drain(held, work, Limits())
        drain.once()
    assert work.taken == Counter(bodies(250))
    assert drain.counts["messages"] == 250
    assert clients.nothing_left(name)


def test_a_message_comes_with_attributes_and_publish_time(clients, name):
    before = time.strftime("%Y-%m-%dT", time.gmtime())
    messages = []
    with Subscription(name) as held:
        Drain(held, Work(messages.extend), Limits()).once()
    assert {m.dataset for m in messages} == {"FREQ"}
    assert all(m.published_utc.startswith(before) for m in messages)


def test_no_more_than_the_limit_is_taken(clients, name):
    work = Work()
    with Subscription(name) as held:
        Drain(held, work, Limits(max_messages=120)).once()
    assert work.taken.total() == 120
    assert len(clients.pull_until(name, 130)) == 130


def test_nothing_is_acknowledged_before_the_work_is_done(clients, name, monkeypatch):
    monkeypatch.setattr(subscription, "LEASE_SECONDS", 1)
    monkeypatch.setattr(subscription, "RENEW_SECONDS", 0.3)
    seen = []

    def look_for_longer_than_a_lease(_messages):
        until = time.monotonic() + 2
        while time.monotonic() < until:
            seen.append(clients.nothing_left(name))
            time.sleep(0.1)  # the lease is what must outlast the work

    work = Work(look_for_longer_than_a_lease)
    with Subscription(name) as held:
        pulled = held.pull()
        work(pulled.messages)
        assert all(seen)
    # No acknowledgement and no renewal any more: it all comes again.
    assert len(clients.pull_until(name, 250)) == 250


def test_a_round_that_fails_is_given_back_and_forgotten(clients, name):
    first_memory = dedup.seen_ids(60.0)

    def fail(_messages):
        raise RuntimeError("Traceback ...\nOSError: no space left on device")

    with Subscription(name) as held:
        drain = Drain(held, Work(fail), Limits())
        with pytest.raises(RoundFailedError, match="no space left") as failed:
            drain.once()
        assert len(str(failed.value).splitlines()) == 1
        assert drain.counts["messages"] == 0
        assert dedup.seen_ids(60.0) is not first_memory
        again = Work()
        Drain(held, again, Limits(max_messages=250)).once()
    assert again.taken == Counter(bodies(250))


def test_what_memory_would_not_hold_is_several_rounds(clients, name, monkeypatch):
    monkeypatch.setattr(subscription, "MAX_UNPACKED_BYTES", 300)
    work = Work()
    with Subscription(name) as held:
        Drain(held, work, Limits()).once()
    assert len(work.rounds) > 1
    assert all(sum(map(len, messages)) <= 300 for messages in work.rounds)
    assert work.taken == Counter(bodies(250))
    assert clients.nothing_left(name)


def test_a_failed_round_gives_back_what_was_to_follow_it(clients, name, monkeypatch):
    monkeypatch.setattr(subscription, "MAX_UNPACKED_BYTES", 300)

    def fail_the_second(_messages):
        if len(work.rounds) == 2:
            raise RuntimeError("BigQuery is away")

    work = Work(fail_the_second)
    with Subscription(name) as held:
        drain = Drain(held, work, Limits())
        with pytest.raises(RoundFailedError):
            drain.once()
        done = len(work.rounds[0])
        assert drain.counts["messages"] == done
        # At once, and not when their lease has run out.
        again = held.pull()
    assert len(again.messages) == 250 - done


def test_a_stop_gives_back_what_is_not_begun(clients, name, monkeypatch):
    monkeypatch.setattr(subscription, "MAX_UNPACKED_BYTES", 300)
    work = Work(lambda _messages: drain.stopping.set())
    with Subscription(name) as held:
        drain = Drain(held, work, Limits())
        drain.once()
        assert len(work.rounds) == 1
        assert len(held.pull().messages) == 250 - len(work.rounds[0])


def test_a_feed_that_never_pauses_ends_the_drain(clients):
    topic = clients.topic()
    # A request that is cancelled at the end may hold the last one for this long.
    name = clients.subscription(topic, ack_deadline_seconds=1)
    clients.publish(topic, b"before")
    work = Work(lambda _messages: clients.publish(topic, b"meanwhile"))
    with Subscription(name) as held:
        Drain(held, work, Limits()).once()
    assert work.rounds == [[b"before"], [b"meanwhile"]]
    assert len(clients.pull_until(name, 1)) == 1


def test_a_repeated_drain_goes_on_after_a_failure_until_it_is_stopped(
    clients, name, monkeypatch
):
    monkeypatch.setattr("pipeline.drain.FIRST_PAUSE_SECONDS", 0.1)
    idle = []

    def fail_once(_messages):
        if len(work.rounds) == 1:
            raise RuntimeError("BigQuery is away")
        drain.stopping.set()

    work = Work(fail_once)
    with Subscription(name) as held:
        drain = Drain(held, work, Limits(every_seconds=0.1))
        assert drain.repeat(0.1, lambda: idle.append(1))
    assert [len(messages) for messages in work.rounds] == [250, 250]
    assert drain.counts["messages"] == 250
    assert clients.nothing_left(name)


def test_a_repeated_drain_that_fails_to_its_end_says_so(clients, name, monkeypatch):
    monkeypatch.setattr("pipeline.drain.FIRST_PAUSE_SECONDS", 0.1)

    def fail(_messages):
        if len(work.rounds) == 2:
            drain.stopping.set()
        raise RuntimeError("BigQuery is away")

    work = Work(fail)
    with Subscription(name) as held:
        drain = Drain(held, work, Limits(every_seconds=0.1))
        assert not drain.repeat(0.1, lambda: None)


def test_empty_beats_go_on_until_the_time_is_up(clients):
    name = clients.subscription(clients.topic())
    with Subscription(name) as held:
        began = time.monotonic()
        limits = Limits(max_seconds=1.2, every_seconds=0.1)
        drain = Drain(held, Work(), limits)
        drain.repeat(0.1, lambda: None)
        assert 1.0 < time.monotonic() - began < 10
    assert drain.counts["messages"] == 0


def test_stopping_ends_the_wait_for_messages(clients, monkeypatch):
    monkeypatch.setattr(subscription, "EMPTY_SECONDS", 60)
    name = clients.subscription(clients.topic())
    with Subscription(name) as held:
        drain = Drain(held, Work(), Limits())
        threading.Timer(0.3, drain.stopping.set).start()
        began = time.monotonic()
        drain.once()
        assert time.monotonic() - began < 10


def test_many_small_answers_are_one_round(clients, name, monkeypatch, caplog):
    monkeypatch.setattr(subscription, "MAX_REQUEST_MESSAGES", 10)
    caplog.set_level("INFO")
    with Subscription(name) as held:
        assert len(held.pull().messages) == 250
    (line,) = [text for text in caplog.messages if text.startswith("pulled")]
    assert re.fullmatch(
        r"pulled 250 messages, 0\.0 MB, in \S+ s with \d+ requests", line
    )
    assert int(line.split()[-2]) >= 25


def test_what_comes_between_two_pulls_is_for_the_second_one(clients):
    topic = clients.topic()
    name = clients.subscription(topic)
    clients.publish(topic, b"first")
    with Subscription(name) as held:
        held.acknowledge(held.pull().ack_ids)
        clients.publish(topic, b"second")
        wait_until(lambda: clients.nothing_left(name))
        assert [message.data for message in held.pull().messages] == [b"second"]


def test_what_comes_after_the_last_pull_is_given_back(clients):
    topic = clients.topic()
    name = clients.subscription(topic, ack_deadline_seconds=600)
    clients.publish(topic, b"first")
    with Subscription(name) as held:
        held.acknowledge(held.pull().ack_ids)
        clients.publish(topic, b"second")
        wait_until(lambda: clients.nothing_left(name))
    assert len(clients.pull_until(name, 1)) == 1


def test_a_request_that_failed_between_two_pulls_is_forgotten(tmp_path, monkeypatch):
    with pubsub_server("embedded", tmp_path) as server:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.host)
        with Clients(server.host, monkeypatch) as clients:
            topic = clients.topic()
            name = clients.subscription(topic)
            clients.publish(topic, b"first")
            with Subscription(name) as held:
                held.acknowledge(held.pull().ack_ids)
                server.kill()
                wait_until(lambda: all(each.done() for each in held._requests))
                server.start()
                clients.publish(topic, b"second")
                assert [each.data for each in held.pull().messages] == [b"second"]


def test_a_response_above_4_mb_is_taken(clients):
    topic = clients.topic()
    name = clients.subscription(topic)
    clients.publish(topic, *(b"%d" % n * 3_000_000 for n in range(3)))
    work = Work()
    with Subscription(name) as held:
        Drain(held, work, Limits(max_messages=3)).once()
    assert {len(data) for data in work.taken} == {3_000_000}


def test_a_subscription_that_does_not_exist_is_a_mistake(clients):
    name = "projects/test/subscriptions/nowhere"
    with (
        Subscription(name) as held,
        pytest.raises(UsageError, match="nowhere cannot be read: "),
    ):
        Drain(held, Work(), Limits()).once()


def test_no_pubsub_is_a_failure_and_no_empty_subscription(clients, monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{private_port()}")
    with (
        Subscription("projects/test/subscriptions/s") as held,
        pytest.raises(RoundFailedError, match="cannot be read"),
    ):
        Drain(held, Work(), Limits()).once()
