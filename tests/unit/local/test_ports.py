"""Ports: the one asked for, or a free one."""

import argparse
import socket
import subprocess
import sys

import pytest

from command.usage import UsageError
from local.ports import choose_port, port_number, private_port


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_another_port_is_chosen_if_the_usual_one_is_taken(taken_port):
    port = choose_port(None, [taken_port], "BigQuery")
    assert port not in (0, taken_port)


def test_a_free_port_is_not_one_that_an_outgoing_connection_gets(taken_port):
    """Between the choice and the server's start, one would take it."""
    for _ in range(20):
        with socket.create_server(("127.0.0.1", 0)) as server:
            outgoing = socket.create_connection(server.getsockname())
            given = outgoing.getsockname()[1]
            outgoing.close()
        assert choose_port(None, [taken_port], "BigQuery") < min(32_768, given)
        assert private_port() < min(32_768, given)


def test_a_port_that_the_user_gave_is_not_replaced(taken_port):
    with pytest.raises(UsageError, match=f"port {taken_port} .BigQuery.*in use"):
        choose_port(taken_port, [9050], "BigQuery")


def test_an_unknown_host_is_named_in_plain_words():
    with pytest.raises(UsageError, match=r"no port of no host can be used: [A-Z-]\w+"):
        private_port("no host")


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "٣"])
def test_what_is_not_a_port_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError):
        port_number(text)


def test_two_processes_never_choose_the_same_usual_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        usual = probe.getsockname()[1]
    program = (
        "from local.ports import choose_port\n"
        f"print(choose_port(None, [{usual}], 'BigQuery'), flush=True)\n"
        "input()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout is not None
        assert int(other.stdout.readline()) == usual
        # Nothing listens yet, but the port is taken.
        assert choose_port(None, [usual], "BigQuery") != usual
    finally:
        other.communicate("\n", timeout=10)
    assert choose_port(None, [usual], "BigQuery") == usual
