"""A Pub/Sub server in its own process, and clients for it."""

import json
import signal
import subprocess
import sys
import time
import uuid
import warnings
from contextlib import contextmanager
from pathlib import Path

import grpc
from google.cloud import pubsub_v1
from google.pubsub_v1 import PublisherClient as PlainPublisher
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from local.ports import private_port
from local.pubsub.google_pubsub import pubsub_command, wait_until_ready

PROJECT_FOLDER = Path(__file__).parents[2]
# An empty pull lasts nearly as long as the client allows it to.
PULL_SECONDS = 2.5
UNLIMITED = [("grpc.max_receive_message_length", -1)]


class PubsubServer:
    """A running server of one kind; `kill` and `start` may be called in turn."""

    def __init__(self, kind, data):
        self.kind = kind
        self.port = private_port()
        self.host = f"127.0.0.1:{self.port}"
        self.command = pubsub_command(kind, "127.0.0.1", self.port, data)

    def start(self):
        self.process = subprocess.Popen(
            self.command,
            cwd=PROJECT_FOLDER,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until_ready("127.0.0.1", self.port, deadline_seconds=30)

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=10)

    def peak_memory_bytes(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(row for row in status.splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) * 1024


@contextmanager
def pubsub_server(kind, data):
    server = PubsubServer(kind, data)
    try:
        server.start()
        yield server
    finally:
        server.kill()


class Clients:
    """Official clients, connected as `PUBSUB_EMULATOR_HOST` connects them."""

    def __init__(self, host, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setenv("PUBSUB_EMULATOR_HOST", host)
            self.publisher = pubsub_v1.PublisherClient()
            self.subscriber = pubsub_v1.SubscriberClient()

    def topic(self):
        name = f"projects/test/topics/t-{uuid.uuid4().hex}"
        self.publisher.create_topic(name=name)
        return name

    def subscription(self, topic, **settings):
        name = f"projects/test/subscriptions/s-{uuid.uuid4().hex}"
        self.subscriber.create_subscription(
            request={"name": name, "topic": topic, **settings}
        )
        return name

    def publish(self, topic, *bodies, **attributes):
        futures = [self.publisher.publish(topic, body, **attributes) for body in bodies]
        return [future.result(timeout=20) for future in futures]

    def publish_at_once(self, topic, messages):
        """Publishes with one request: no batching, no checks, no second try."""
        return PlainPublisher.publish(
            self.publisher, topic=topic, messages=messages, retry=None
        )

    def pull(self, subscription, max_messages=1000):
        response = self.subscriber.pull(
            subscription=subscription, max_messages=max_messages, timeout=PULL_SECONDS
        )
        return list(response.received_messages)

    def pull_until(self, subscription, count, deadline_seconds=15):
        """Pulls until `count` messages have come; fails after the deadline."""
        received = []
        deadline = time.monotonic() + deadline_seconds
        while len(received) < count:
            assert time.monotonic() < deadline, f"{len(received)} of {count} came"
            received += self.pull(subscription)
        return received

    def nothing_left(self, subscription):
        """Whether no message is there, without waiting for one."""
        with warnings.catch_warnings():  # deprecated in the service, not in emulators
            warnings.simplefilter("ignore", DeprecationWarning)
            response = self.subscriber.pull(
                subscription=subscription, max_messages=1, return_immediately=True
            )
        return not response.received_messages

    def acknowledge(self, subscription, received):
        self.subscriber.acknowledge(
            subscription=subscription, ack_ids=[message.ack_id for message in received]
        )

    def modify(self, subscription, received, seconds):
        self.subscriber.modify_ack_deadline(
            subscription=subscription,
            ack_ids=[message.ack_id for message in received],
            ack_deadline_seconds=seconds,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.publisher.stop()
        self.publisher.transport.close()
        self.subscriber.close()


@contextmanager
def wide_clients(host):
    """Clients without gRPC's limit of 4 MB a response."""
    with grpc.insecure_channel(host, options=UNLIMITED) as channel:
        yield (
            pubsub_v1.PublisherClient(
                transport=PublisherGrpcTransport(channel=channel)
            ),
            pubsub_v1.SubscriberClient(
                transport=SubscriberGrpcTransport(channel=channel)
            ),
        )


def run_pubsub(*options):
    """Starts `python -m local pubsub` with options; both outputs are pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "local", "pubsub", *options],
        cwd=PROJECT_FOLDER,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running_pubsub(*options):
    """Yields the ready line of a `python -m local pubsub` and its process."""
    process = run_pubsub(*options)
    try:
        yield json.loads(process.stdout.readline()), process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)
