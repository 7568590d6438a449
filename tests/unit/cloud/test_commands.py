"""`python -m cloud`: what its commands have in common."""

import importlib

import pytest

from cloud.__main__ import main
from pipeline import registry


def test_a_mistake_that_a_command_finds_is_one_line_and_code_2(monkeypatch, capsys):
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:1")
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    assert main(["smoke", "--project", "my-project"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m cloud smoke: BIGQUERY_EMULATOR_HOST is set and ")


def test_a_dry_smoke_test_shows_its_messages_and_needs_no_credentials(
    monkeypatch, capsys
):
    for name in ("BIGQUERY_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")
    assert main(["smoke", "--project", "my-project", "--dry-run"]) == 0
    first, *lines, last = capsys.readouterr().out.splitlines()
    assert first == "would publish to projects/my-project/topics/iris-messages:"
    assert [line[:6] for line in lines] == 7 * ["SMOKE-"]
    assert "uk_energy_prod" in last


def test_a_wrong_dataset_file_is_one_line_and_code_2(tmp_path, monkeypatch, capsys):
    (tmp_path / "FREQ.yaml").write_text("name: [")
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    registry.load_registry.cache_clear()
    try:
        assert main(["smoke", "--project", "my-project"]) == 2
    finally:
        registry.load_registry.cache_clear()
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m cloud smoke: pipeline/datasets/FREQ.yaml: ")


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
