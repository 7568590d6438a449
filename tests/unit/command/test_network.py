"""Whether a server can be reached, and what is said if it cannot."""

import os
import socket

import pytest
from requests.utils import should_bypass_proxies

from command import network
from command.network import Server


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for variable in (name, name.upper()):
            monkeypatch.setenv(variable, "")  # so that what a test sets is undone
            monkeypatch.delenv(variable)


def said(server: Server, seconds: float = 60.0) -> str:
    error = network.failure(server, seconds)
    assert error is not None
    return network.why(error, seconds)


def test_a_server_that_accepts_a_connection_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert network.failure(Server("127.0.0.1", server.getsockname()[1])) is None


def test_a_port_where_nothing_listens_refuses() -> None:
    assert said(Server("127.0.0.1", 1)) == "refuses the connection"


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64 + ".example"])
def test_a_name_that_nobody_knows_cannot_be_found(host: str) -> None:
    assert said(Server(host, 443)) == "cannot be found by its name"


def test_a_server_that_does_not_answer_is_given_up() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with socket.create_connection(address), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(address)  # the backlog is full now
            text = said(Server(*address), 0.5)
    assert text == "does not answer within 0.5 s"


def test_an_address_has_the_usual_port_of_its_scheme() -> None:
    assert network.server_of("https://example.org/a") == Server("example.org", 443)
    assert network.server_of("http://example.org:81") == Server("example.org", 81)


def test_a_proxy_of_the_environment_has_to_answer_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    proxy = network.server_of("https://example.org")
    assert proxy == Server("proxy.example", 3128, is_proxy=True)
    assert str(proxy) == "the proxy proxy.example:3128"
    monkeypatch.setenv("no_proxy", "example.org")
    assert network.server_of("https://example.org") == Server("example.org", 443)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, "127.0.0.1,localhost"),
        (
            {"no_proxy": "a.example, .b.example"},
            "a.example,.b.example,127.0.0.1,localhost",
        ),
        ({"NO_PROXY": "localhost"}, "localhost,127.0.0.1"),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_servers_of_this_machine_are_asked_past_the_proxy(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, str], after: str
) -> None:
    for name, value in ({"http_proxy": "http://proxy.example:3128"} | before).items():
        monkeypatch.setenv(name, value)
    for _ in range(2):
        network.go_past_proxy()
        assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == after
    assert should_bypass_proxies("http://127.0.0.1:9050/a", no_proxy=None)
    assert network.server_of("http://127.0.0.1:9050") == Server("127.0.0.1", 9050)
    assert should_bypass_proxies("http://c.example", no_proxy=None) is (after == "*")


def test_without_a_proxy_nothing_is_set() -> None:
    network.go_past_proxy()
    assert not {"no_proxy", "NO_PROXY"} & os.environ.keys()
