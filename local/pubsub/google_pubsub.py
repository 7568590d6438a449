"""Which Pub/Sub runs on this machine: the embedded one or Google's emulator.

The embedded one (`local.pubsub.command`) keeps topics, subscriptions and messages in a
file. Google's emulator comes with the Cloud SDK and needs Java. It keeps everything in
memory: when it stops, they are gone, and the bridge has already completed the messages
on the queue. So it runs only when it is asked for.
"""

import re
import shutil
import sys
from pathlib import Path
from typing import Literal

import grpc

from command.usage import UsageError
from local.process import output_of

Choice = Literal["embedded", "google"]
DEFAULT_PUBSUB: Choice = "embedded"
IN_MEMORY = "Google's emulator keeps messages in memory only"

JAR = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"
# `gcloud info` takes one to several seconds; a JVM prints its version in 0.1 s.
TOOL_SECONDS = 30
# gRPC's own first retry comes after 1 s, too long for a server that is ready in 0.5 s.
RECONNECT_MILLISECONDS = 50


def pubsub_command(choice: Choice, host: str, port: int, data: Path) -> list[str]:
    """The command line of a Pub/Sub, to be run in the project's folder.

    Args:
        choice: Which one.
        host: Address to listen on.
        port: Port to listen on.
        data: Folder for the embedded one's file.

    Raises:
        UsageError: Google's is asked for and not installed.
    """
    if choice == "google":
        if command := google_emulator_command(host, port):
            return command
        raise UsageError(f"Google's Pub/Sub emulator cannot run: {missing()}")
    command = [sys.executable, "-m", "local", "pubsub", "--host", host]
    return [*command, "--port", str(port), "--data", str(data)]


def google_emulator_command(host: str, port: int) -> list[str] | None:
    """Returns the command line of Google's emulator, or None when it cannot run."""
    java, jar = find_java(), find_jar()
    if java is None or jar is None:
        return None
    return [java, "-jar", str(jar), f"--host={host}", f"--port={port}"]


def missing() -> str:
    """What Google's emulator lacks on this machine, and how to get it."""
    if find_java() is None:
        return "`java` does not run here; install a Java runtime"
    if shutil.which("gcloud") is None:
        return (
            "there is no `gcloud` on the PATH; install the Google Cloud SDK "
            "(https://cloud.google.com/sdk/docs/install)"
        )
    return (
        "the Google Cloud SDK lacks it; "
        "run `gcloud components install pubsub-emulator beta`"
    )


def find_java() -> str | None:
    """Returns a Java that runs; a Mac without Java has a `java` that only fails."""
    java = shutil.which("java")
    if java and output_of([java, "-version"], TOOL_SECONDS) is not None:
        return java
    return None


def find_jar() -> Path | None:
    """Returns the emulator's jar in the Cloud SDK: the newest, or None.

    Looks beside `gcloud` first. Asking `gcloud` itself is slow, and needed only if the
    one on the PATH is a wrapper.
    """
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        return None
    beside = _jar_under(Path(gcloud).resolve().parent.parent)
    if beside:
        return beside
    info = [gcloud, "info", "--format=value(installation.sdk_root)"]
    root = output_of(info, TOOL_SECONDS)
    return _jar_under(Path(root)) if root else None


def wait_until_ready(host: str, port: int, deadline_seconds: float) -> None:
    """Waits until a Pub/Sub of either kind answers.

    Raises:
        TimeoutError: It does not answer in time.
    """
    options = [
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MILLISECONDS),
        ("grpc.min_reconnect_backoff_ms", RECONNECT_MILLISECONDS),
        ("grpc.max_reconnect_backoff_ms", 4 * RECONNECT_MILLISECONDS),
    ]
    with grpc.insecure_channel(f"{host}:{port}", options=options) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=deadline_seconds)
        except grpc.FutureTimeoutError:
            raise TimeoutError(
                f"Pub/Sub at {host}:{port} did not answer in {deadline_seconds:g} s"
            ) from None


def _jar_under(root: Path) -> Path | None:
    return max(root.glob(JAR), key=_version, default=None)


def _version(jar: Path) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", jar.name)]
