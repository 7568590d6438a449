"""The commands on a DATA folder, before any server is needed."""

import pytest

from local.__main__ import main
from local.data_folder import DataFolder


@pytest.mark.parametrize(
    "command",
    ["check", "refresh", "drain", "replay", "backfill", "query", "tables", "shell"],
)
def test_a_missing_folder_is_one_line_and_stays_missing(command, tmp_path, capsys):
    folder = tmp_path / "mistyped"
    statement = ["SELECT 1"] if command == "query" else []
    assert main([command, "--data", str(folder), *statement]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"python -m local {command}: there is no folder {folder}")
    assert not folder.exists()


@pytest.mark.parametrize("command", ["drain", "replay", "backfill"])
def test_without_servers_one_line_says_how_to_start_them(command, tmp_path, capsys):
    assert main([command, "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"python -m local {command}: nothing is up in {tmp_path}: start it with "
        "`make run-local` or `make up`\n"
    )


@pytest.mark.parametrize("command", ["drain", "replay"])
def test_servers_that_are_still_starting_do_not_count(command, tmp_path, capsys):
    data = DataFolder(tmp_path)
    with data.owned():
        data.write_state("make up", {"PUBSUB_TOPIC": "t"})
        assert main([command, "--data", str(tmp_path)]) == 2
    assert "nothing is up in" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "refresh", "query", "tables", "shell"])
def test_without_tables_one_line_says_what_creates_them(command, tmp_path, capsys):
    statement = ["SELECT 1"] if command == "query" else []
    assert main([command, "--data", str(tmp_path), *statement]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "there are no tables in" in line
    assert "`make up` creates them" in line
