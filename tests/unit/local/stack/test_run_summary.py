"""What a run reports at its end."""

import contextlib
from datetime import UTC, datetime

from rich.console import Console

from local.data_folder import DataFolder
from local.pubsub.message_store import MessageStore
from local.pubsub.topics import DEAD_LETTER_SUBSCRIPTION, SUBSCRIPTION
from local.stack.command import report
from local.stack.plan import Plan
from local.stack.progress import PlainProgress
from local.stack.run import Run
from local.stack.services import Services
from local.stack.snapshot import Snapshot
from local.stack.summary import Counts, Delays


def run_on(folder, **options):
    return Run(Plan(DataFolder(folder), "make run-local", **options), PlainProgress())


def said_by(folder, snapshot: Snapshot, capsys, **options) -> str:
    """What a run prints at its end."""
    summary = run_on(folder, **options).conclude(snapshot, NOON)
    report(Console(), DataFolder(folder), summary)
    return capsys.readouterr().out


ROW = {"FREQ": Counts(messages=1, records=1, rows=1)}
NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)


def test_a_summary_that_cannot_be_written_is_a_failure_with_its_counts(tmp_path):
    (tmp_path / "run-summary.json").mkdir()  # as good as a full disk
    run = run_on(tmp_path)
    summary = run.conclude(Snapshot(), datetime.now(UTC))
    assert summary["messages"] == 0
    assert "could not write its summary" in summary["failure"]
    assert str(run.failure) == summary["failure"]


def test_messages_that_pubsub_refused_are_reported(tmp_path, capsys):
    summary = run_on(tmp_path).conclude(Snapshot(refused=2), datetime.now(UTC))
    assert summary["refused"] == 2
    report(Console(), DataFolder(tmp_path), summary)
    assert "Pub/Sub refused, which are in no table: 2" in capsys.readouterr().out


def outcome(folder, snapshot: Snapshot, capsys, *, is_ready: bool = True) -> str:
    run = run_on(folder)
    run.is_ready = is_ready
    summary = run.conclude(snapshot, datetime.now(UTC))
    report(Console(), DataFolder(folder), summary)
    line = next(x for x in capsys.readouterr().out.splitlines() if " records = " in x)
    return f"{line.split(' after ')[0]}, {summary['balanced']}"


def test_a_run_that_never_connected_is_not_balanced(tmp_path, capsys):
    said = outcome(tmp_path, Snapshot(), capsys)
    assert said == "ended without a connection to IRIS, False"


def test_a_run_that_is_stopped_at_its_start_says_nothing_of_iris(tmp_path, capsys):
    said = outcome(tmp_path, Snapshot(), capsys, is_ready=False)
    assert said == "stopped at its start, False"


def test_what_was_published_came_by_a_connection(tmp_path, capsys):
    run = run_on(tmp_path)
    summary = run.conclude(Snapshot(published=66, waiting=66), datetime.now(UTC))
    assert (summary["connected"], summary["balanced"]) == (True, False)


def test_a_run_that_connected_and_received_nothing_is_balanced(tmp_path, capsys):
    assert outcome(tmp_path, Snapshot(sessions=1), capsys) == "balanced, True"


def test_what_an_earlier_run_left_is_accounted_for_without_a_connection(
    tmp_path, capsys
):
    ledger = {"FREQ": Counts(messages=1, records=1, rows=1)}
    assert outcome(tmp_path, Snapshot(ledger), capsys) == "balanced, True"


def test_a_run_that_was_stopped_is_not_balanced_if_less_is_counted_than_published(
    tmp_path, capsys
):
    said = outcome(tmp_path, Snapshot(ROW, published=2, sessions=1), capsys)
    assert said == "NOT BALANCED, False"


def test_messages_that_wait_in_pubsub_come_with_the_command_that_goes_on(
    tmp_path, capsys
):
    said = said_by(tmp_path, Snapshot(ROW, published=3, waiting=2), capsys)
    assert "NOT BALANCED" in said
    assert f"2 messages; `make run-local DATA={tmp_path}` goes on" in said
    assert "not counted" not in said


def test_lost_messages_of_the_live_feed_come_with_their_backfill(tmp_path, capsys):
    """From when the oldest message was queued that was counted."""
    delays = {"FREQ": Delays(to_pubsub_count=1, to_pubsub_seconds_max=90.5)}
    lost = Snapshot(ROW, published=3, delays=delays)
    said = said_by(tmp_path, lost, capsys, pubsub="google", simulator=False)
    assert "2 messages (Google's emulator keeps messages in memory only)" in said
    assert "make backfill FROM=2026-05-06T11:58Z TO=20" in said
    assert f" MISSING=1 DATA={tmp_path}" in said


def test_without_any_counted_message_the_backfill_is_of_all_that_iris_keeps(
    tmp_path, capsys
):
    said = said_by(tmp_path, Snapshot(published=1), capsys, simulator=False)
    assert "make backfill FROM=2026-05-03T12:00Z" in said


def test_lost_messages_of_the_simulator_have_no_backfill(tmp_path, capsys):
    said = said_by(tmp_path, Snapshot(ROW, published=2), capsys)
    assert "1 messages (a part was killed); the simulator does not" in said
    assert "make backfill" not in said


def test_what_waits_is_read_from_the_file_of_the_embedded_pubsub(tmp_path):
    with contextlib.closing(MessageStore(tmp_path / "pubsub.sqlite")) as store:
        store.append(SUBSCRIPTION, [b"1", b"2"], published_us=1)
        store.append(DEAD_LETTER_SUBSCRIPTION, [b"3"], published_us=1)
        store.commit()
    services = Services(Plan(DataFolder(tmp_path), "make run-local"))
    assert services.waiting() == 2
