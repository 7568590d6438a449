"""What a run tells when it ends."""

from datetime import UTC, datetime

from rich.console import Console

from local.data_folder import DataFolder
from local.stack.command import _report
from local.stack.progress import PlainProgress
from local.stack.run import Run
from local.stack.services import Plan
from local.stack.snapshot import Snapshot


class Monitored:
    """A monitor whose last look was this."""

    def __init__(self, snapshot):
        self._snapshot = snapshot

    def finish(self):
        return self._snapshot


def ended_run(tmp_path, snapshot):
    run = Run(Plan(DataFolder(tmp_path), "make run-local"), None, True, PlainProgress())
    run._monitor = Monitored(snapshot)
    return run


def test_a_summary_that_cannot_be_written_is_a_failure_with_its_counts(tmp_path):
    (tmp_path / "run-summary.json").mkdir()  # as good as a full disk
    run = ended_run(tmp_path, Snapshot())
    summary = run._summarize(datetime.now(UTC))
    assert summary["messages"] == 0
    assert "could not write its summary" in summary["failure"]
    assert str(run.failure) == summary["failure"]


def test_messages_that_pubsub_cannot_take_are_told(tmp_path, capsys):
    run = ended_run(tmp_path, Snapshot(refused=2))
    summary = run._summarize(datetime.now(UTC))
    assert summary["refused"] == 2
    _report(Console(), DataFolder(tmp_path), summary)
    assert "that are in no table: 2" in capsys.readouterr().out
