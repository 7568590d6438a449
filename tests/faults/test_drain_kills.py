"""A drain that is killed at any moment: nothing lost, nothing counted wrong."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.cloud import bigquery

from pipeline.command import main
from tests.faults.story_fixture import COUNT, PROJECT, RANDOM_KILLS, Story, publish
from tests.integration.pubsub_fixture import Clients, PubsubServer

pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore:The return_immediately flag"),
]

# From before the first pull to after the acknowledgement of a small round.
LATEST_KILL_SECONDS = 1.5


@pytest.mark.promise(
    part="pipeline",
    fault="a drain is killed after its rows, or after its ledger",
    happens="its messages come again within 10 s and are written again",
    lost="0",
    doubled="0 in `_unified`; in `_iris` twice with the same `record_id`",
    recovery="the next drain",
    sees="nothing: the ledger is balanced",
)
def test_killed_when_rows_are_written_and_when_the_ledger_is(story: Story) -> None:
    drain = story.drain()
    drain.wait_until(lambda: story.count("bmrs_freq_iris") > 0)
    story.killed(drain)
    assert story.ledger()["messages"] == 0
    drain = story.drain()
    drain.wait_until(lambda: story.count("iris_ledger") > 0)
    story.killed(drain)
    with story.clients() as clients:
        left = not clients.nothing_left(story.subscription)
    if left:  # it was killed before the acknowledgement
        last = story.drain(f"--max_messages={COUNT}")
        assert last.ended() == 0, last.log.read_text()
    story.check()


@pytest.mark.promise(
    part="pipeline",
    fault="a drain is killed at random moments (run with `DRAIN_KILLS=20`)",
    happens="the same",
    lost="0",
    doubled="0 in `_unified`",
    recovery="the next drain",
    sees="nothing",
)
@pytest.mark.skipif(
    not RANDOM_KILLS,
    reason="minutes long: run it with DRAIN_KILLS=20 after a change of the drain",
)
@pytest.mark.timeout(1200)
def test_killed_at_random_moments(story: Story) -> None:
    moments = random.Random(RANDOM_KILLS)
    for _ in range(RANDOM_KILLS):
        drain = story.drain(f"--max_messages={COUNT // RANDOM_KILLS}")
        # Any moment will do; what holds must hold at each.
        time.sleep(moments.uniform(0, LATEST_KILL_SECONDS))
        story.killed(drain)
    last = story.drain()
    assert last.ended() == 0, last.log.read_text()
    story.check()


@pytest.mark.promise(
    part="pipeline",
    fault="SIGTERM, Ctrl-C",
    happens="the current round is finished; a second signal ends at once",
    lost="0",
    doubled="0",
    recovery="the next drain",
    sees="`finishing the current round`",
)
def test_sigterm_finishes_the_round_and_a_second_one_ends_at_once(story: Story) -> None:
    drain = story.drain("--every=1s")
    drain.process.terminate()
    assert drain.ended() == 0, drain.log.read_text()
    counted = story.ledger()["messages"]
    with story.clients() as clients:
        # What is not counted is still there, and nothing else.
        left = clients.pull_until(story.subscription, COUNT - counted)
    assert len(left) == COUNT - counted
    story.killed(drain)  # gives back what was pulled here
    with story.clients() as clients:
        # The first round may have taken everything before the signal was heard.
        publish(clients, story.topic)
    drain = story.drain()
    # While a round is worked on: between rounds the first signal ends it within 0.2 s.
    drain.wait_until(lambda: "pulled" in drain.log.read_text())
    drain.process.terminate()
    drain.wait_until(lambda: "finishing" in drain.log.read_text())
    drain.process.terminate()
    assert drain.ended() == 128 + signal.SIGTERM


@pytest.fixture
def command(
    dataset: str, pubsub: PubsubServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., int]]:
    """`python -m pipeline --drain` in this process."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.host)
    handlers = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}

    def run(subscription: str, *more: str) -> int:
        where = [f"--project={PROJECT}", f"--dataset={dataset}"]
        return main(["--drain", f"--subscription={subscription}", *where, *more])

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_no_subscription_is_one_line_and_code_2(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("projects/test/subscriptions/nowhere") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert "nowhere" in line


@pytest.mark.promise(
    part="pipeline",
    fault="a step of a round fails",
    happens="its messages are given back",
    lost="0",
    doubled="0 in `_unified`",
    recovery="the next round, after 1 to 60 s",
    sees="`a round of N messages failed; the messages come again`, exit code 1",
)
def test_a_round_that_fails_is_code_1_and_given_back(
    command: Callable[..., int],
    pubsub: PubsubServer,
    client: bigquery.Client,
    dataset: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "FREQ").touch()  # where a folder has to be
    with Clients(pubsub.host, monkeypatch) as clients:
        topic = clients.topic()
        subscription = clients.subscription(topic)
        clients.publish(topic, b"[]", b"[]", dataset="FREQ", message_id="m")
        assert command(subscription, f"--archive_prefix={archive}") == 1
        (error,) = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
        assert "archive/FREQ" in error
        assert len(error.splitlines()) == 1
        assert len(clients.pull_until(subscription, 2)) == 2
    ledger = client.query_and_wait(f"SELECT COUNT(*) AS n FROM {dataset}.iris_ledger")
    assert next(iter(ledger)).n == 0
