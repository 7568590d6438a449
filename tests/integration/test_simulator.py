"""The unmodified azure-servicebus SDK, sync and asyncio, against the simulator."""

import asyncio
import contextlib
import json
import signal
import socket
import time
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceiveMode
from azure.servicebus.aio import ServiceBusClient as AsyncClient
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessagingEntityNotFoundError,
    ServiceBusError,
)

from pipeline.registry import load_registry
from tests.integration.simulator_fixture import (
    ROOT,
    Simulator,
    running_simulator,
    start_simulator,
    wait_for,
)

pytestmark = pytest.mark.integration

SHIPPED = ROOT / "local" / "samples"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One simulator for all tests that leave its queue empty."""
    folder = tmp_path_factory.mktemp("samples")
    (folder / "FIRST").mkdir()
    (folder / "FIRST" / "one").write_text("[]")
    with running_simulator("--samples", str(folder)) as simulator:
        with client_of(simulator) as client, receiver_of(client) as receiver:
            take_one(receiver)
        yield simulator


@pytest.fixture
def simulator(shared: Simulator):
    """The shared simulator with its lock time restored; its queue must end empty."""
    yield shared
    shared.post("set?lock_seconds=60&mute=false&refuse=false")
    queue = shared.stats()["queue"]
    assert (queue["ready"], queue["locked"], queue["deferred"]) == (0, 0, 0)


def client_of(simulator: Simulator, **options) -> ServiceBusClient:
    return ServiceBusClient.from_connection_string(
        simulator.connection_string, **{"retry_backoff_factor": 0.1, **options}
    )


def receiver_of(client, **options):
    return client.get_queue_receiver("iris", **options)


def receive(receiver, count: int) -> list:
    """Exactly `count` messages, in as many calls as it takes."""
    messages: list = []
    while len(messages) < count:
        wanted = count - len(messages)
        batch = receiver.receive_messages(wanted, max_wait_time=10)
        assert batch, f"{len(messages)} of {count} messages came"
        messages += batch
    return messages


def body_of(message) -> bytes:
    return b"".join(message.body)


# replaying a folder


def test_replay_sends_every_file_once_in_iris_form(tmp_path):
    with running_simulator("--samples", str(SHIPPED)) as simulator:
        stats = simulator.wait_for(lambda stats: stats["exhausted"])
        folders = {path.name for path in SHIPPED.iterdir() if path.is_dir()}
        assert stats["sent"] == dict.fromkeys(folders, 1)
        with client_of(simulator) as client, receiver_of(client) as receiver:
            save_all(receiver, len(folders), tmp_path)
        sent = {
            p.relative_to(SHIPPED): json.loads(p.read_text()) for p in files(SHIPPED)
        }
        saved = {
            p.relative_to(tmp_path): json.loads(p.read_text()) for p in files(tmp_path)
        }
        assert saved == sent
        stats = simulator.stats()
        assert stats["queue"]["completed"] == len(folders)
        assert stats["queue"]["ready"] == 0


def save_all(receiver, count: int, folder: Path) -> None:
    """What a usual IRIS client does: undo both encodings, save, complete."""
    for _ in range(count):
        message = receiver.next()
        text = json.loads(str(message))
        path = folder / message.subject / message.message_id
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(json.loads(text)))
        receiver.complete_message(message)


def files(folder: Path) -> list[Path]:
    return list(folder.glob("*/*.json"))


def test_large_and_odd_files_arrive_unchanged(tmp_path):
    payloads = {
        "large": json.dumps([{"text": "x" * 11_000_000}]).encode(),
        "odd": b"\xff\xfe\x00",
        "empty": b"",
        "unicode": '[{"unit": "É\u2028\\u0000"}]'.encode(),
    }
    (tmp_path / "UOU2T3YW").mkdir()
    for name, payload in payloads.items():
        (tmp_path / "UOU2T3YW" / name).write_bytes(payload)
    with (
        running_simulator("--samples", str(tmp_path)) as simulator,
        client_of(simulator) as client,
        receiver_of(client) as receiver,
    ):
        bodies = {m.message_id: body_of(m) for m in receive(receiver, 4)}
    assert bodies.pop("odd") == payloads.pop("odd")
    assert {k: json.loads(v).encode() for k, v in bodies.items()} == payloads


def test_thousands_of_files_are_read_as_the_queue_drains(tmp_path):
    count = 5_000
    for number in range(count):
        path = tmp_path / f"D{number % 3}" / f"m{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_text("[]")
    with (
        running_simulator("--samples", str(tmp_path)) as simulator,
        client_of(simulator) as client,
        receiver_of(client, receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE) as r,
    ):
        stats = simulator.wait_for(lambda stats: stats["queue"]["ready"] >= 2_000)
        assert not stats["exhausted"]
        assert stats["queue"]["enqueued"] == 2_000
        received = [message.message_id for message in receive(r, count)]
        assert sorted(received) == sorted(f"m{number}" for number in range(count))
        assert (
            simulator.wait_for(lambda stats: stats["exhausted"])["queue"]["ready"] == 0
        )


def test_rate_is_kept(tmp_path):
    (tmp_path / "D").mkdir()
    for number in range(20):
        (tmp_path / "D" / str(number)).write_text("[]")
    with running_simulator("--samples", str(tmp_path), "--rate", "20") as simulator:
        first = simulator.stats()["queue"]["enqueued"]
        started = time.monotonic()
        simulator.wait_for(lambda stats: stats["exhausted"])
        expected_seconds = (20 - first) / 20
        assert time.monotonic() - started == pytest.approx(expected_seconds, abs=0.5)


def test_demo_never_runs_dry():
    with (
        running_simulator("--rate", "200") as simulator,
        client_of(simulator) as client,
        receiver_of(client) as receiver,
    ):
        messages = receive(receiver, 200)
        subjects = {message.subject for message in messages}
        assert subjects == set(load_registry())
        for message in messages:
            assert isinstance(json.loads(json.loads(str(message))), list)
            receiver.complete_message(message)
        assert simulator.stats()["exhausted"] is False


# settling


@pytest.fixture(scope="class")
def class_client(shared):
    """One client for a class: opening and closing one takes nearly two seconds."""
    with client_of(shared) as client:
        yield client


@pytest.fixture(scope="class")
def receiver(class_client):
    with receiver_of(class_client) as receiver:
        yield receiver


@pytest.fixture(scope="class")
def grave(class_client):
    with receiver_of(class_client, sub_queue="deadletter") as receiver:
        yield receiver


def take_one(receiver):
    """Receives and completes the only message."""
    (message,) = receive(receiver, 1)
    receiver.complete_message(message)
    return message


class TestSettling:
    def test_message_as_the_sdk_sees_it(self, simulator, receiver):
        simulator.put("id-1", b'"[]"', subject="FREQ")
        (message,) = receive(receiver, 1)
        assert (message.subject, message.message_id) == ("FREQ", "id-1")
        assert (body_of(message), message.delivery_count) == (b'"[]"', 0)
        age = time.time() - message.enqueued_time_utc.timestamp()
        assert 0 <= age < 10
        assert 40 < message.locked_until_utc.timestamp() - time.time() <= 60
        receiver.complete_message(message)

    def test_expired_lock_delivers_again_and_the_old_lock_is_lost(
        self, simulator, receiver
    ):
        simulator.post("set?lock_seconds=0.5")
        simulator.put("again")
        (first,) = receive(receiver, 1)
        simulator.post("set?lock_seconds=60")
        (second,) = receive(receiver, 1)
        assert (second.message_id, second.delivery_count) == ("again", 1)
        with pytest.raises(MessageLockLostError):
            receiver.complete_message(first)
        receiver.complete_message(second)
        assert simulator.stats()["queue"]["lock_expired"] == 1

    def test_fifth_abandon_moves_to_the_dead_letters(self, simulator, receiver, grave):
        simulator.put("poison")
        counts = []
        for _ in range(5):
            (message,) = receive(receiver, 1)
            counts.append(message.delivery_count)
            receiver.abandon_message(message)
        assert counts == [0, 1, 2, 3, 4]
        buried = take_one(grave)
        assert (buried.message_id, buried.delivery_count) == ("poison", 5)
        assert buried.dead_letter_reason == "MaxDeliveryCountExceeded"

    def test_dead_letter_carries_reason_and_description(
        self, simulator, receiver, grave
    ):
        simulator.put("bad")
        (message,) = receive(receiver, 1)
        receiver.dead_letter_message(
            message, reason="empty", error_description="no body"
        )
        buried = take_one(grave)
        assert buried.dead_letter_reason == "empty"
        assert buried.dead_letter_error_description == "no body"

    def test_renewed_lock_outlives_its_first_end(self, simulator, receiver):
        simulator.post("set?lock_seconds=1")
        simulator.put("kept")
        (message,) = receive(receiver, 1)
        first_end = message.locked_until_utc
        simulator.post("set?lock_seconds=60")
        assert receiver.renew_message_lock(message) > first_end
        wait_for(time.time, lambda now: now > first_end.timestamp() + 0.2)
        receiver.complete_message(message)

    def test_deferred_message_is_received_by_number_and_settled(
        self, simulator, receiver
    ):
        simulator.put("later")
        (message,) = receive(receiver, 1)
        receiver.defer_message(message)
        (deferred,) = receiver.receive_deferred_messages([message.sequence_number])
        receiver.complete_message(deferred)  # by management: it came on no link

    def test_peek_takes_nothing(self, simulator, receiver):
        simulator.put("seen")
        (peeked,) = receiver.peek_messages(5)
        assert peeked.message_id == "seen"
        take_one(receiver)

    def test_sent_messages_arrive_alone_and_in_batches(self, simulator, receiver):
        with client_of(simulator) as client, client.get_queue_sender("iris") as sender:
            properties = {"retry": 1}
            sender.send_messages(
                ServiceBusMessage(
                    b"a", message_id="a", application_properties=properties
                )
            )
            sender.send_messages([ServiceBusMessage(b"b"), ServiceBusMessage("c")])
        messages = receive(receiver, 3)
        assert [body_of(message) for message in messages] == [b"a", b"b", b"c"]
        assert messages[0].application_properties == {b"retry": 1}
        for message in messages:
            receiver.complete_message(message)

    def test_unknown_queue_is_not_found(self, simulator):
        with (
            client_of(simulator) as client,
            pytest.raises(MessagingEntityNotFoundError),
        ):
            client.get_queue_receiver("other").receive_messages(1, max_wait_time=1)


# asyncio


def test_asyncio_client_completes_a_whole_batch_at_once(simulator):
    for number in range(200):
        simulator.put(f"m{number}")
    asyncio.run(complete_in_gathers(simulator, 200))
    stats = simulator.stats()["queue"]
    assert (stats["ready"], stats["locked"]) == (0, 0)


async def complete_in_gathers(simulator, count: int) -> None:
    done = 0
    async with (
        AsyncClient.from_connection_string(simulator.connection_string) as client,
        client.get_queue_receiver("iris") as receiver,
    ):
        while done < count:
            messages = await receiver.receive_messages(500, max_wait_time=2)
            await asyncio.gather(*map(receiver.complete_message, messages))
            done += len(messages)


# faults


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["drop", "detach", "close"])
def test_lock_outlives_its_link_and_the_client_goes_on(fault, simulator):
    simulator.put("held")
    with client_of(simulator) as client, receiver_of(client) as receiver:
        (held,) = receive(receiver, 1)
        assert sum(simulator.post(fault).values()) == 1
        simulator.put("after")
        assert take_one(receiver).message_id == "after"
        assert simulator.stats()["queue"]["locked"] == 1
        receiver.complete_message(held)


@pytest.mark.faults
def test_mute_broker_answers_once_it_is_back(simulator):
    simulator.put("patience")
    impatient = client_of(simulator, try_timeout=1, retry_total=0)
    with impatient as client, receiver_of(client, timeout=1) as receiver:
        (message,) = receive(receiver, 1)
        simulator.post("set?mute=true")
        with pytest.raises(ServiceBusError):
            receiver.complete_message(message)
        assert simulator.stats()["queue"]["locked"] == 1
        simulator.post("set?mute=false")
    simulator.wait_for(lambda stats: stats["queue"]["locked"] == 0)


@pytest.mark.faults
def test_connections_are_accepted_again_after_a_refusal(simulator):
    simulator.post("set?refuse=true")
    with client_of(simulator) as client, pytest.raises(ServiceBusError):
        client.get_queue_receiver("iris").receive_messages(1, max_wait_time=1)
    simulator.post("set?refuse=false")
    simulator.put("welcome")
    with client_of(simulator) as client, receiver_of(client) as receiver:
        take_one(receiver)


# the command


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly_within_a_second(number):
    simulator = Simulator("--samples", str(SHIPPED))
    with client_of(simulator) as client, receiver_of(client) as receiver:
        receive(receiver, 1)
        started = time.monotonic()
        assert simulator.stop(number) == 0
        assert time.monotonic() - started < 1


def test_user_errors_are_one_line_and_code_2(simulator, tmp_path):
    port = str(simulator.ready["port"])
    commands = {
        ("--samples", str(tmp_path / "gone")): "does not exist",
        ("--samples", str(tmp_path)): "holds no messages",
        ("--port", port): f"cannot listen on port {port} of 127.0.0.1: it is in use",
        ("--port", "0", "--control-port", port): "it is in use",
        ("--port", "0", "--certificate", "README.md"): "cannot use README.md",
    }
    processes = {command: start_simulator(*command) for command in commands}
    for command, process in processes.items():
        output, errors = process.communicate(timeout=30)
        assert (process.returncode, output) == (2, "")
        assert commands[command] in errors
        assert errors.count("\n") == 1


@pytest.mark.parametrize("query", ["mute=perhaps", "lock_seconds=0", "color=red"])
def test_control_refuses_what_it_does_not_know(simulator, query):
    with pytest.raises(OSError, match="400"):
        simulator.post(f"set?{query}")


def amqp_frame(code: int, *fields: bytes) -> bytes:
    values = b"".join(fields)
    body = bytes([0, 0x53, code, 0xC0, len(values) + 1, len(fields)]) + values
    return (len(body) + 8).to_bytes(4) + b"\x02\x00\x00\x00" + body


def test_name_that_is_not_utf_8_ends_the_connection_in_one_line():
    source = b"\x00\x53\x28\xc0\x05\x01\xa1\x02\xff\xff"
    link = (b"\xa1\x01n", b"\x43", b"\x41", b"\x40", b"\x40", source)
    sent = b"AMQP\x00\x01\x00\x00" + amqp_frame(0x10, b"\xa1\x01c")
    sent += amqp_frame(0x11, b"\x40", b"\x43", b"\x52\xff", b"\x52\xff")
    sent += amqp_frame(0x12, *link)
    with running_simulator() as simulator:
        port = simulator.ready["port"]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(sent)
            with contextlib.suppress(ConnectionResetError):
                while client.recv(65_536):
                    pass
        simulator.wait_for(lambda stats: stats["connections"] == 0)
        simulator.process.terminate()
        complaint = simulator.process.communicate(timeout=10)[1]
    assert "connection ended: 'utf-8'" in complaint
    assert complaint.count("\n") == 1
