"""The command line: a user's mistake is one line and exit code 2."""

import logging
import socket
from pathlib import Path

import pytest

from bridge.__main__ import main

SIMULATOR = (
    "Endpoint=sb://localhost:1;SharedAccessKeyName=R;"
    "SharedAccessKey=key-of-the-simulator;UseDevelopmentEmulator=true;"
)


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    for name in ("CLIENT_ID", "CLIENT_SECRET", "QUEUE_NAME", "SETTINGS_FILE"):
        monkeypatch.delenv(f"IRIS_{name}", raising=False)
    monkeypatch.setenv("IRIS_CONNECTION_STRING", SIMULATOR)
    monkeypatch.setenv("PUBSUB_TOPIC", "projects/p/topics/iris")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "localhost:1")


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that was written."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_a_bad_setting_is_one_line_and_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PUBSUB_TOPIC", "iris")
    assert main([]) == 2
    assert "PUBSUB_TOPIC" in complaint(capsys)


def test_a_health_port_in_use_is_one_line_and_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("HEALTH_PORT", str(port))
        assert main([]) == 2
    assert complaint(capsys) == (
        f"python -m bridge: HEALTH_PORT: cannot listen on {port} "
        "(Address already in use): set another port, or 0 for any free one"
    )


def test_a_health_host_of_another_machine_is_one_line_and_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEALTH_HOST", "203.0.113.1")  # kept for documents (RFC 5737)
    monkeypatch.setenv("HEALTH_PORT", "0")
    assert main([]) == 2
    said = "HEALTH_HOST: 203.0.113.1 is not an address of this machine"
    assert said in complaint(capsys)


def test_missing_google_credentials_are_one_line_and_code_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST")
    monkeypatch.setenv("HEALTH_PORT", "0")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "no.json"))
    assert main([]) == 2
    assert "no Google credentials" in complaint(capsys)


def test_an_unknown_option_is_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--nonsense"])
    assert caught.value.code == 2


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for name in ("IRIS_CLIENT_SECRET", "IRIS_SETTINGS_FILE", "PUBSUB_TOPIC", "--check"):
        assert name in text
