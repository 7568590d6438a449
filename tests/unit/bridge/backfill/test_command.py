"""The backfill's command line: a user's mistake is one line and exit code 2."""

from pathlib import Path

import pytest

from bridge.__main__ import main

TIMES = ("--from", "2026-05-06", "--to", "2026-05-07")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PUBSUB_TOPIC", "projects/p/topics/iris")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "localhost:1")
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "http://localhost:1")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--from", "2026-05-06"), "required: --to"),
        (("--from", "soon", "--to", "2026-05-07"), "--from: 'soon' is not a time"),
        (("--from", "2026-05-07", "--to", "2026-05-07"), "later than --from"),
        (("--from", "2026-05-07", "--to", "2999-01-01"), "--to is in the future"),
        ((*TIMES, "--rate", "0"), "--rate: '0' is not between 0.01 and 10000"),
        ((*TIMES, "--concurrency", "many"), "'many' is not between 1 and 64"),
        ((*TIMES, "--archive", "elexon"), "'elexon' is not an address"),
        ((*TIMES, "--via", "api", "--missing"), "--missing compares with the archive"),
        (
            (*TIMES, "--via", "api", "--iris-dataset", "X"),
            "does not have X in the form of IRIS",
        ),
        (
            (*TIMES, "--missing", "--dataset", "a.b`"),
            "'a.b`' is not a BigQuery dataset",
        ),
        ((*TIMES, "--missing", "--project", "P`"), "'P`' is not a project"),
    ],
)
def test_each_mistake_is_named_in_one_line(
    options: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["backfill", *options])
    except SystemExit as end:
        code = int(end.code or 0)
    lines = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith("python -m bridge backfill: ")
    assert complaint in lines[0]


def test_it_needs_a_topic(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PUBSUB_TOPIC")
    assert main(["backfill", *TIMES]) == 2
    assert "PUBSUB_TOPIC is missing" in capsys.readouterr().err
