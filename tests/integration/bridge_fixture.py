"""Real servers for the bridge's tests: an IRIS simulator, a Pub/Sub, a bridge."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
from google.pubsub_v1.services.publisher import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from local.ports import private_port

ROOT = Path(__file__).parents[2]
TOPIC = "projects/local/topics/iris-messages"
SUBSCRIPTION = "projects/local/subscriptions/iris-messages"
# Ends what hangs; it proves no speed, since machines stall.
DEADLINE_SECONDS = 150.0
# No bridge of a test may see the settings of the person who runs it. And without
# compiled modules each process takes a second longer to start.
HIDDEN = ("IRIS_", "PUBSUB_", "HEALTH_", "GOOGLE_", "PYTHONDONTWRITEBYTECODE")
CLEAN = {key: text for key, text in os.environ.items() if not key.startswith(HIDDEN)}


def wait_until(condition: Callable[[], Any], seconds: float = DEADLINE_SECONDS) -> Any:
    """Returns the condition once it is true; fails after the deadline."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)
    return value


class Server:
    """A `python -m local` command that announces itself in one JSON line."""

    def __init__(self, *arguments: str) -> None:
        self.arguments = arguments
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local", *self.arguments],
            cwd=ROOT,
            env=CLEAN,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.ready = json.loads(self.process.stdout.readline() or "{}")
        assert self.ready, f"{self.arguments} did not start"

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=DEADLINE_SECONDS)


class Simulator(Server):
    """An IRIS queue under remote control, on a free port."""

    def __init__(self, *options: str) -> None:
        super().__init__("simulator", "--port", "0", *options)

    def control(self, path: str, content: Any = None) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.ready['control_port']}{path}"
        data = json.dumps(content or {}).encode()
        request = urllib.request.Request(url, data, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def stats(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.ready['control_port']}/stats"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)

    def completed(self) -> int:
        """How many messages of the queue are completed."""
        return int(self.stats()["queue"]["completed"])

    def put(self, body: bytes, message_id: str | None, subject: str | None) -> None:
        text = base64.b64encode(body).decode()
        message = {"body": text, "message_id": message_id, "subject": subject}
        self.control("/put", message)


class PubSub(Server):
    """An embedded Pub/Sub, without a topic yet."""

    def __init__(self, folder: Path) -> None:
        # A known port, so that clients find it again after a restart.
        super().__init__("pubsub", "--port", str(private_port()), "--data", str(folder))
        self.host = self.ready["host"]
        options = [("grpc.max_receive_message_length", -1)]
        self.channel = grpc.insecure_channel(self.host, options)
        self.publisher = PublisherClient(
            transport=PublisherGrpcTransport(channel=self.channel)
        )
        self.subscriber = SubscriberClient(
            transport=SubscriberGrpcTransport(channel=self.channel)
        )

    def create_topic(self) -> None:
        self.publisher.create_topic(name=TOPIC)
        self.subscriber.create_subscription(
            name=SUBSCRIPTION, topic=TOPIC, ack_deadline_seconds=60
        )

    def pull(self, count: int, seconds: float = DEADLINE_SECONDS) -> list[Any]:
        """Takes messages until this many different ones have come.

        Fails if they do not come in time.
        """
        messages: list[Any] = []
        ids: set[str] = set()
        end = time.monotonic() + seconds
        while len(ids) < count:
            assert time.monotonic() < end, f"{len(ids)} of {count} messages came"
            with contextlib.suppress(Exception):  # it may be down: that is the test
                answer = self.subscriber.pull(
                    subscription=SUBSCRIPTION, max_messages=1000, timeout=2, retry=None
                )
                received = answer.received_messages
                messages += [one.message for one in received]
                ids |= {one.message.attributes["message_id"] for one in received}
                if received:
                    self.subscriber.acknowledge(
                        subscription=SUBSCRIPTION,
                        ack_ids=[one.ack_id for one in received],
                    )
        return messages


class Bridge:
    """`python -m bridge`, its log lines and its HTTP answers."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bridge"],
            cwd=folder,
            env=CLEAN | {"PYTHONPATH": str(ROOT), "HEALTH_PORT": "0"} | settings,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, Any]] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        started = wait_until(lambda: self.logged("bridge started"))
        self.port = started["HEALTH_PORT"]

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.lines.append(json.loads(line))

    def logged(self, message: str) -> dict[str, Any] | None:
        return next((x for x in self.lines if x["message"] == message), None)

    def get(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        values = [
            float(line.split()[-1])
            for line in self.get("/metrics")[1].splitlines()
            if line.split("{")[0].split(" ")[0] == f"iris_bridge_{name}"
        ]
        assert values, f"no metric {name}"
        return sum(values)

    def peak_bytes(self) -> int:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(x for x in text.splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal; returns the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(DEADLINE_SECONDS)
        self.reader.join(DEADLINE_SECONDS)
        return code


@contextlib.contextmanager
def running(server: Server) -> Iterator[Any]:
    try:
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.stop()


@contextlib.contextmanager
def pubsub_with_topic(folder: Path) -> Iterator[PubSub]:
    with running(PubSub(folder)) as server:
        server.create_topic()
        yield server


@contextlib.contextmanager
def bridge_of(
    simulator: Simulator, pubsub: PubSub, folder: Path, **settings: str
) -> Iterator[Bridge]:
    """A bridge between these two; killed at the end if it still runs."""
    bridge = Bridge(
        folder,
        IRIS_CONNECTION_STRING=simulator.ready["connection_string"],
        IRIS_QUEUE_NAME=simulator.ready["queue"],
        PUBSUB_TOPIC=TOPIC,
        PUBSUB_EMULATOR_HOST=pubsub.host,
        **settings,
    )
    try:
        yield bridge
    finally:
        bridge.process.kill()
        bridge.process.wait()


def write_samples(folder: Path, count: int, size_bytes: int = 300) -> set[str]:
    """Fills a SAMPLES folder with this many messages; returns their ids."""
    target = folder / "FREQ"
    target.mkdir(parents=True)
    names = {f"FREQ_202605080002_{number:06d}.json" for number in range(count)}
    padding = "x" * size_bytes
    for name in names:
        record = {"dataset": "FREQ", "id": name, "padding": padding}
        (target / name).write_text(json.dumps([record]))
    return names
