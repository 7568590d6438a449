"""Whether a server can be reached, and what is said if it cannot."""

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from requests.utils import should_bypass_proxies

from command import network
from command.network import Server

EXCEPTIONS = ("no_proxy", "no_grpc_proxy")
# The proxy accepts a connection and never answers: a request through it ends then.
ANSWER_SECONDS = 10


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "no_grpc_proxy"):
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
        ({"no_proxy": " *"}, "*"),
        ({"no_proxy": "a.example, *"}, "a.example,*,127.0.0.1,localhost"),
        ({"no_proxy": "a b 127.0.0.1"}, "a,b,127.0.0.1,localhost"),
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


@pytest.mark.parametrize("only", ["no_proxy", "NO_PROXY", "no_grpc_proxy"])
def test_an_exception_is_no_proxy(monkeypatch: pytest.MonkeyPatch, only: str) -> None:
    monkeypatch.setenv(only, "a b")
    network.go_past_proxy()
    assert {name for name in os.environ if name.lower() in EXCEPTIONS} == {only}
    assert network.direct_variables() == {}


def test_a_proxy_that_the_environment_does_not_name_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python takes macOS's own settings only while there is no `no_proxy`."""
    system = {"http": "http://proxy.example:3128"}
    monkeypatch.setattr("urllib.request.getproxies", lambda: system)
    monkeypatch.setattr(network, "getproxies", lambda: system)
    network.go_past_proxy()
    assert not {"no_proxy", "NO_PROXY"} & os.environ.keys()


@pytest.mark.parametrize(
    "given",
    [
        {"no_proxy": "*"},
        {"no_proxy": "a.example,*"},
        {"no_grpc_proxy": "a.example"},
        {"no_proxy": "*", "no_grpc_proxy": "a.example"},
    ],
)
def test_grpc_asks_servers_of_this_machine_past_the_proxy(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        for name, value in ({"http_proxy": address} | given).items():
            monkeypatch.setenv(name, value)
        network.go_past_proxy()
        assert set(network.direct_variables()) >= set(given)
        with ThreadPoolExecutor(1) as threads:
            server = grpc.server(threads)
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            code = (
                f"import grpc; grpc.channel_ready_future("
                f"grpc.insecure_channel('127.0.0.1:{port}')).result({ANSWER_SECONDS})"
            )
            try:
                done = subprocess.run([sys.executable, "-c", code], check=False)
            finally:
                server.stop(None).wait()
    assert done.returncode == 0
