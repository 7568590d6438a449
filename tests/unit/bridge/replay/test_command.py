"""The command line of a replay: mistakes and failures are one line."""

import asyncio

import pytest
from google.api_core.exceptions import RetryError

from bridge import warehouse
from bridge.__main__ import main
from bridge.envelope import Envelope
from bridge.replay import transfer
from bridge.replay.held import Replay
from bridge.replay.transfer import ReplayError

# What BigQuery's client raises once it has tried for ten minutes. It is not a
# GoogleAPICallError, as the answers in between are.
TIMEOUT = RetryError("Timeout of 600.0s exceeded", OSError("503"))


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PUBSUB_TOPIC", "projects/some-project/topics/iris")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:1")


def complaint(capsys):
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    "options",
    [
        ("--since", "yesterday"),
        ("--until", "2026-05-06T25:00:00"),
        ("--project", "p; DROP"),
        ("--dataset", "a.b"),
        ("--dataset", "`"),
    ],
)
def test_a_wrong_option_is_one_line_and_code_2(options, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["replay", *options])
    assert ended.value.code == 2
    assert options[0] in complaint(capsys)


def test_a_span_that_ends_before_it_begins_is_one_line_and_code_2(capsys):
    assert main(["replay", "--since", "2026-05-07", "--until", "2026-05-06"]) == 2
    assert "--until must be later than --since" in complaint(capsys)


def test_a_missing_topic_is_one_line_and_code_2(monkeypatch, capsys):
    monkeypatch.delenv("PUBSUB_TOPIC")
    assert main(["replay"]) == 2
    assert "PUBSUB_TOPIC is missing" in complaint(capsys)


def test_a_local_bigquery_that_is_not_there_is_one_line_and_code_2(capsys):
    assert main(["replay"]) == 2
    assert "nothing answers at http://127.0.0.1:1" in complaint(capsys)


def test_missing_credentials_are_one_line_and_code_2(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    assert main(["replay"]) == 2
    assert "no Google credentials" in complaint(capsys)


class Away:
    """Tables of a BigQuery that does not answer."""

    def __init__(self, *_):
        pass

    def select(self, _selection):
        raise TIMEOUT

    def record(self, _replays):
        raise TIMEOUT


def test_a_bigquery_that_stays_away_is_one_line_and_code_1(monkeypatch, capsys):
    monkeypatch.setattr(warehouse, "connect", lambda place: None)
    monkeypatch.setattr("bridge.replay.command.Tables", Away)
    assert main(["replay"]) == 1
    assert "RetryError: Timeout of 600.0s exceeded" in complaint(capsys)


def test_what_is_published_and_cannot_be_recorded_is_reported():
    replay = Replay(Envelope(b"{}", {}), {}, "row-1")
    with pytest.raises(
        ReplayError, match="1 messages are published, but not recorded in"
    ):
        asyncio.run(transfer.record(Away(), [replay]))
