"""`python -m cloud`: what every command of it does alike."""

import importlib

import pytest

from cloud.__main__ import main


def test_a_mistake_that_a_command_finds_is_one_line_and_code_2(monkeypatch, capsys):
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:1")
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    assert main(["smoke", "--project", "my-project"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m cloud smoke: BIGQUERY_EMULATOR_HOST is set and ")


def test_no_command_is_a_users_mistake(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_ctrl_c_while_a_command_loads_ends_without_a_traceback(monkeypatch):
    def interrupted(_name):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", interrupted)
    assert main(["smoke", "--project", "my-project"]) == 130
