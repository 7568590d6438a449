"""Where the tables are: plain names, and a server that answers."""

import argparse
import http.server
import socket
import threading

import pytest

from command import network
from command.tables_path import (
    TablesPath,
    dataset_name,
    project_id,
    require_answer,
    require_server,
)
from command.usage import UsageError


def test_as_a_text_it_is_the_path_of_sql():
    assert str(TablesPath("p")) == "p.uk_energy_prod"
    assert f"{TablesPath('p', 'd')}.bmrs_freq" == "p.d.bmrs_freq"


@pytest.mark.parametrize("text", ["p; DROP", "P", "a", "p`", "", "a.", "a\n"])
def test_a_project_id_cannot_leave_its_quotes(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a project id"):
        project_id(text)


@pytest.mark.parametrize("text", ["a-b", "a.b", "`", "", "x" * 1025, "\xe4", "a\n"])
def test_a_dataset_name_is_letters_digits_and_underscores(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a BigQuery dataset"):
        dataset_name(text)


def test_plain_names_are_taken():
    assert project_id("example.com:my-project") == "example.com:my-project"
    assert dataset_name("uk_energy_prod") == "uk_energy_prod"


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1:1", "127.0.0.1:1", "http://[", ":x"]
)
def test_a_server_that_does_not_answer_is_a_users_mistake(host):
    with pytest.raises(UsageError, match=r"nothing answers at .*make up"):
        require_answer(host)


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_server_with_any_answer_is_enough(scheme):
    with http.server.HTTPServer(("127.0.0.1", 0), NotFound) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        require_answer(f"{scheme}127.0.0.1:{server.server_port}")
        server.shutdown()


def test_a_server_that_only_accepts_is_not(monkeypatch):
    monkeypatch.setattr(network, "BUSY_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        require_server(host)
        with pytest.raises(UsageError, match=r"answers nothing for 0 s: its log"):
            require_answer(host)


class NotFound(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_):
        pass
