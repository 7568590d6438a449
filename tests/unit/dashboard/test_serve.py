"""`python -m dashboard serve`: what it refuses, and how often it lets tiles ask."""

import socket

import pytest

from dashboard.__main__ import main
from local.ports import private_port


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "0"], "'0' is not between 1 and 65535"),
        (["--project", "My Project"], "'My Project' is not a project id"),
        (["--budget", "much"], "'much' is not a size, such as 500MB"),
        (["--every", "-1"], "'-1' is not a number above 0"),
        (["--bridge", "8080"], "'8080' is not an address"),
    ],
)
def test_a_wrong_option_is_refused_in_a_line(options, said, capsys):
    with pytest.raises(SystemExit) as end:
        main(["serve", *options])
    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_port_that_is_taken_is_reported_in_a_line(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"cannot listen on 127.0.0.1:{port}" in line


def test_a_folder_without_tables_is_reported_in_a_line(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    assert main(["serve", "--port", str(private_port()), "--data", str(tmp_path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "there are no tables in" in line
