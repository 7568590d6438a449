"""What a run reports at its end."""

from datetime import UTC, datetime

from rich.console import Console

from local.data_folder import DataFolder
from local.stack.command import report
from local.stack.plan import Plan
from local.stack.progress import PlainProgress
from local.stack.run import Run
from local.stack.snapshot import Snapshot


def run_on(folder):
    return Run(Plan(DataFolder(folder), "make run-local"), PlainProgress())


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
