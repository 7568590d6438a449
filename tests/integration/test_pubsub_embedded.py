"""What the embedded Pub/Sub does beyond Google's emulator: limits, file, command."""

import itertools
import signal
import socket
import threading

import pytest
from google.api_core import exceptions

from local.pubsub import command
from tests.integration.pubsub_fixture import (
    Clients,
    pubsub_server,
    run_pubsub,
    running_pubsub,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with pubsub_server("embedded", tmp_path_factory.mktemp("pubsub")) as running:
        yield running


@pytest.fixture
def clients(server, monkeypatch):
    with Clients(server.host, monkeypatch) as clients:
        yield clients


@pytest.mark.parametrize(
    "message",
    [
        {"attributes": {"key": "v" * 1025}},
        {"attributes": {"googkey": "v"}},
        {"attributes": {f"k{number}": "v" for number in range(101)}},
        {},
    ],
    ids=["long value", "reserved key", "101 attributes", "empty"],
)
def test_message_beyond_the_limits_is_refused_whole(clients, message):
    topic = clients.topic()
    subscription = clients.subscription(topic)
    with pytest.raises(exceptions.InvalidArgument, match="Message 1"):
        clients.publish_at_once(topic, [{"data": b"good"}, message])
    assert clients.nothing_left(subscription)


def test_response_stays_below_four_megabytes(clients):
    topic = clients.topic()
    subscription = clients.subscription(topic, ack_deadline_seconds=60)
    bodies = [bytes([number]) * 1_000_000 for number in range(10)]
    clients.publish(topic, *bodies)
    received = clients.pull_until(subscription, 10)  # these clients refuse over 4 MiB
    assert sorted(m.message.data for m in received) == bodies


@pytest.mark.parametrize(
    "flow_control",
    [{"max_outstanding_messages": 3}, {"max_outstanding_bytes": 3500}],
    ids=["messages", "bytes"],
)
def test_stream_holds_no_more_than_its_flow_control(clients, flow_control):
    topic = clients.topic()
    subscription = clients.subscription(topic, ack_deadline_seconds=60)
    clients.publish(topic, *[b"x" * 1000] * 9)
    finished = threading.Event()

    def requests():
        yield {"subscription": subscription, "stream_ack_deadline_seconds": 60} | (
            flow_control
        )
        finished.wait(30)

    stream = clients.subscriber.streaming_pull(requests=requests())
    sizes = []
    for response in stream:
        sizes.append(len(response.received_messages))
        clients.acknowledge(subscription, response.received_messages)
        if sum(sizes) == 9:
            break
    finished.set()
    stream.cancel()
    assert sizes == [3, 3, 3]


def test_stream_ends_when_its_subscription_is_deleted(clients):
    subscription = clients.subscription(clients.topic())
    stream = clients.subscriber.subscribe(subscription, lambda message: None)
    clients.subscriber.delete_subscription(subscription=subscription)
    with pytest.raises(exceptions.NotFound):
        stream.result(timeout=10)


def test_subscriptions_that_it_cannot_serve_are_refused(clients):
    with pytest.raises(exceptions.MethodNotImplemented):
        clients.subscription(clients.topic(), filter='attributes.dataset = "FREQ"')


def test_memory_does_not_grow_with_the_backlog(tmp_path, monkeypatch):
    with (
        pubsub_server("embedded", tmp_path) as server,
        Clients(server.host, monkeypatch) as clients,
    ):
        topic = clients.topic()
        clients.subscription(topic)
        batch = [{"data": b"x" * 1024}] * 1000
        clients.publish_at_once(topic, batch)
        before_bytes = server.peak_memory_bytes()
        for _ in range(60):
            clients.publish_at_once(topic, batch)
        assert server.peak_memory_bytes() - before_bytes < 30_000_000  # of 60 MB


@pytest.mark.faults
def test_kill_loses_nothing_published_and_brings_nothing_acknowledged_back(
    tmp_path, monkeypatch
):
    with (
        pubsub_server("embedded", tmp_path) as server,
        Clients(server.host, monkeypatch) as clients,
    ):
        topic = clients.topic()
        subscription = clients.subscription(topic, ack_deadline_seconds=600)
        clients.publish(topic, *(f"{number}".encode() for number in range(1000)))
        received = clients.pull_until(subscription, 1000)
        done, held = received[:400], received[400:500]
        clients.acknowledge(subscription, done)

        server.kill()
        server.start()

        clients.acknowledge(subscription, held)  # pulled before, acknowledged after
        again = clients.pull_until(subscription, 500)
        assert {m.message.data for m in again} == {
            m.message.data for m in received[500:]
        }
        clients.acknowledge(subscription, again)
        assert clients.nothing_left(subscription)
        [new] = clients.publish(topic, b"new")
        assert new not in {m.message.message_id for m in received}
        assert clients.pull_until(subscription, 1)[0].message.data == b"new"


@pytest.mark.faults
def test_kill_while_publishing_keeps_every_confirmed_message(tmp_path, monkeypatch):
    confirmed, many = set(), threading.Event()

    def publish(clients, topic):
        for number in itertools.count():
            bodies = [f"{number}-{index}".encode() for index in range(100)]
            messages = [{"data": body} for body in bodies]
            try:
                clients.publish_at_once(topic, messages)
            except exceptions.ServiceUnavailable:
                return
            confirmed.update(bodies)
            if number == 50:
                many.set()

    with (
        pubsub_server("embedded", tmp_path) as server,
        Clients(server.host, monkeypatch) as clients,
    ):
        topic = clients.topic()
        subscription = clients.subscription(topic, ack_deadline_seconds=600)
        publishing = threading.Thread(target=publish, args=(clients, topic))
        publishing.start()
        assert many.wait(timeout=20)
        server.kill()
        publishing.join(timeout=20)
        server.start()
        with Clients(server.host, monkeypatch) as late:  # connects without back-off
            received = late.pull_until(subscription, len(confirmed))
    assert {message.message.data for message in received} >= confirmed


@pytest.mark.faults
def test_stop_ends_streams_so_that_clients_come_back(tmp_path, monkeypatch):
    with (
        pubsub_server("embedded", tmp_path) as server,
        Clients(server.host, monkeypatch) as clients,
    ):
        topic = clients.topic()
        subscription = clients.subscription(topic)
        stopped = threading.Event()

        def requests():
            yield {"subscription": subscription, "stream_ack_deadline_seconds": 60}
            stopped.wait(10)

        stream = clients.subscriber.streaming_pull(requests=requests())
        clients.publish(topic, b"the stream is open")
        next(stream)
        server.process.terminate()
        with pytest.raises(exceptions.ServiceUnavailable):  # clients try this one again
            next(stream)
        stopped.set()
        assert server.process.wait(timeout=5) == 0


def test_command_says_where_it_listens_and_stops_when_told(tmp_path):
    with running_pubsub("--port", "0", "--data", str(tmp_path)) as (ready, process):
        assert ready == {
            "ready": True,
            "port": ready["port"],
            "host": f"127.0.0.1:{ready['port']}",
        }
        with socket.create_connection(("127.0.0.1", ready["port"]), timeout=5):
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=5)
        assert (process.returncode, output, errors) == (0, "", "")


def refusal(*options):
    process = run_pubsub(*options)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert output == ""
    assert len(errors.splitlines()) == 1
    return errors


def test_port_in_use_gets_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        errors = refusal("--port", port, "--data", str(tmp_path))
    assert f"port {port}" in errors
    assert "in use" in errors


def test_next_free_port_is_used_where_none_is_given(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        usual = taken.getsockname()[1]
        monkeypatch.setattr(command, "DEFAULT_PORT", usual)
        port = command.free_port("127.0.0.1", None)
    assert usual < port < usual + command.PORTS_TRIED


def test_two_servers_do_not_share_a_folder(tmp_path):
    with running_pubsub("--port", "0", "--data", str(tmp_path)):
        assert "locked" in refusal("--port", "0", "--data", str(tmp_path))


def test_file_that_is_not_a_database_gets_one_line(tmp_path):
    (tmp_path / "pubsub.sqlite").write_text("not a database " * 100)
    assert "pubsub.sqlite" in refusal("--port", "0", "--data", str(tmp_path))


def test_folder_that_cannot_be_created_gets_one_line(tmp_path):
    (tmp_path / "file").touch()
    assert "file" in refusal("--port", "0", "--data", str(tmp_path / "file" / "data"))
