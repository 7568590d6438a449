"""The servers of this machine: they listen for it alone, and answer no foreign page."""

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.bridge_fixture import PubSub, Simulator, bridge_of, running

pytestmark = pytest.mark.integration

LISTENS = "0A"
# IPv4, IPv6, and IPv4 in the form of IPv6.
LOOPBACK = {
    "0100007F",
    "00000000000000000000000001000000",
    "0000000000000000FFFF00000100007F",
}
FOREIGN = [
    {"Host": "evil.example"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
]


@pytest.fixture(scope="module")
def pubsub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubSub]:
    with running(PubSub(tmp_path_factory.mktemp("pubsub"))) as server:
        server.create_topic()
        yield server


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running(Simulator()) as server:
        yield server


@pytest.fixture(scope="module")
def ports(
    bigquery_server: dict[str, Any],
    simulator: Simulator,
    pubsub: PubSub,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, int]]:
    """Those of every server, by what it is."""
    with bridge_of(simulator, pubsub, tmp_path_factory.mktemp("bridge")) as bridge:
        yield {
            "BigQuery": bigquery_server["port"],
            "BigQuery's gRPC": bigquery_server["grpc_port"],
            "Pub/Sub": int(pubsub.host.rpartition(":")[2]),
            "the queue": simulator.ready["port"],
            "the simulator's control": simulator.ready["control_port"],
            "the bridge": int(bridge.port),
        }


def addresses_of(port: int) -> set[str]:
    """The addresses at which something listens on a port, as the kernel writes them."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            address, _, number = words[1].rpartition(":")
            if words[3] == LISTENS and int(number, 16) == port:
                found.add(address)
    return found


@pytest.mark.parametrize(
    "server",
    [
        *("BigQuery", "BigQuery's gRPC", "Pub/Sub", "the queue"),
        *("the simulator's control", "the bridge"),
    ],
)
def test_a_server_listens_for_this_machine_alone(
    ports: dict[str, int], server: str
) -> None:
    addresses = addresses_of(ports[server])
    assert addresses
    assert addresses <= LOOPBACK


# What each answers to a program of this machine, without any harm.
HARMLESS = {
    "BigQuery": ("GET", "/bigquery/v2/projects"),
    "the simulator's control": ("GET", "/stats"),
    "the bridge": ("GET", "/metrics"),
}


def status(
    port: int, method: str, path: str, body: bytes | None = None, **headers: str
) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("server", HARMLESS)
def test_a_program_of_this_machine_is_answered(
    ports: dict[str, int], server: str
) -> None:
    assert status(ports[server], *HARMLESS[server]) == 200


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("server", HARMLESS)
def test_a_page_of_another_site_is_refused(
    ports: dict[str, int], server: str, headers: dict[str, str]
) -> None:
    assert status(ports[server], *HARMLESS[server], **headers) == 403


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_page_of_another_site_puts_no_message(
    ports: dict[str, int], simulator: Simulator, headers: dict[str, str]
) -> None:
    message = b'{"subject": "FOREIGN", "message_id": "1", "body": "W10="}'
    port = ports["the simulator's control"]
    assert status(port, "POST", "/put", message, **headers) == 403
    assert "FOREIGN" not in simulator.stats()["sent"]


@pytest.mark.parametrize("server", ["Pub/Sub", "the queue", "BigQuery's gRPC"])
def test_what_a_browser_sends_is_not_the_protocol_of_the_others(
    ports: dict[str, int], server: str
) -> None:
    """A browser speaks HTTP/1.1 to an address without TLS."""
    request = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", ports[server]), timeout=60) as caller:
        caller.sendall(request)
        answer = caller.recv(4096)
    assert not answer.startswith(b"HTTP/1.1 2")
