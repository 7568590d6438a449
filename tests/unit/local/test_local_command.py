"""`python -m local`: what is the same for every command."""

import importlib
from types import SimpleNamespace

from local.__main__ import main
from local.failure import PartFailedError


def test_ctrl_c_while_libraries_load_ends_it_silently(monkeypatch, capsys):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", interrupted)
    assert main(["stack", "run"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_part_that_failed_is_reported_with_its_last_lines(
    monkeypatch, capsys, tmp_path
):
    def fail(options):
        raise PartFailedError("BigQuery", "ended", ["no space left"], tmp_path / "log")

    command = SimpleNamespace(configure=lambda parser: None, run=fail)
    monkeypatch.setattr(importlib, "import_module", lambda name: command)
    assert main(["bigquery"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "  no space left",
        f"BigQuery ended; the last lines of {tmp_path / 'log'} are above",
    ]
