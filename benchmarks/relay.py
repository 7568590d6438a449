"""The bridge beside the receive loop of Elexon's own client, on the same queue.

Each has the simulator for itself, full of messages of one size, and they take turns.
The bridge also publishes every message to the embedded Pub/Sub; the loop only receives
and completes. The queue counts completed messages, after a warm-up.
"""

import asyncio
import contextlib
import json
import os
import statistics
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import delay
from benchmarks.measurement import Measurement, Target
from local.ports import LOOPBACK
from local.process import ROOT, Child
from local.pubsub.topics import TOPIC, create_topics
from local.simulator.sample_folder import iris_body

ROUNDS = 3
SLICE_SECONDS = 5.0
# A batch of the bridge takes up to half a second: less would count whole batches.
MIN_SLICE_SECONDS = 1.5
# The bridge's batches grow from one message to their full size.
WARM_UP_SECONDS = 2.0
START_SECONDS = 60.0
STOP_SECONDS = 20.0
LOOK_SECONDS = 0.05
# Enough that neither runs out of messages.
MAX_MESSAGES_PER_SECOND = 5_000

MEMORY_TARGET = Target(150, "value", at_most=True)
# The user's settings are not for the bridge that is measured.
HIDDEN = ("IRIS_", "PUBSUB_", "HEALTH_", "GOOGLE_")
RECORD = {"dataset": "FREQ", "measurementTime": "2026-05-06T02:31:00Z"}


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes:
        name: Of the measurement.
        body_bytes: The minimum size of each message's body.
        round_trip_seconds: To the queue; 0 is loopback, without a proxy.
        target: How many times the loop's rate the bridge's should be.
    """

    name: str
    body_bytes: int
    round_trip_seconds: float
    target: Target


CASES = (
    Case("bridge, 1 KB, 20 ms to the queue", 1_000, 0.020, Target(40)),
    Case("bridge, 1 KB, loopback", 1_000, 0.0, Target(1.5)),
    Case("bridge, 60 KB, loopback", 60_000, 0.0, Target(1.5)),
)
MEANING = (
    "how many times faster the bridge empties a queue than Elexon's loop, though it "
    "publishes every message too"
)


@dataclass
class Rates:
    """Messages a second of each slice, and the bridge's peak memory in MB."""

    loop: list[float] = field(default_factory=list)
    bridge: list[float] = field(default_factory=list)
    peaks_mb: list[float] = field(default_factory=list)


def measure(scale: float) -> Iterator[Measurement]:
    """The bridge's speed with and without a delay to the queue, and its memory."""
    peaks_mb: list[float] = []
    for case in CASES:
        rates = asyncio.run(_rates(case, scale))
        peaks_mb += rates.peaks_mb
        yield _compared(case, rates)
    if peaks_mb:
        meaning = "the largest memory of the bridge in these runs"
        yield Measurement(
            "bridge, peak memory",
            max(peaks_mb),
            "MB",
            target=MEMORY_TARGET,
            meaning=meaning,
        )


def _compared(case: Case, rates: Rates) -> Measurement:
    return Measurement(
        case.name,
        statistics.median(rates.bridge),
        "messages/s",
        "Elexon's loop",
        statistics.median(rates.loop),
        case.target,
        MEANING,
        {
            "bridge_slices": _texts(rates.bridge),
            "loop_slices": _texts(rates.loop),
            "bridge_peak_mb": max(rates.peaks_mb, default=0.0),
        },
    )


def _texts(rates: list[float]) -> str:
    return " ".join(f"{rate:.0f}" for rate in rates)


async def _rates(case: Case, scale: float) -> Rates:
    """Both in turn, so that other load of the machine affects both."""
    seconds, rates = max(MIN_SLICE_SECONDS, SLICE_SECONDS * scale), Rates()
    with TemporaryDirectory(prefix="gb-iris-bench-") as name:
        work = Path(name)
        messages = int(MAX_MESSAGES_PER_SECOND * (WARM_UP_SECONDS + seconds))
        write_samples(work / "samples", messages, case.body_bytes)
        for turn in range(max(1, round(ROUNDS * scale))):
            async with _Stage.open(work / f"loop-{turn}", case) as stage:
                stage.start_loop()
                rates.loop.append(await stage.rate(seconds))
            async with _Stage.open(work / f"bridge-{turn}", case) as stage:
                child = await stage.start_bridge()
                rates.bridge.append(await stage.rate(seconds))
                rates.peaks_mb += peak_mb(child.pid)
    return rates


def write_samples(folder: Path, messages: int, body_bytes: int) -> None:
    """Makes a SAMPLES folder; all of its messages are links to the same file."""
    target = folder / "FREQ"
    target.mkdir(parents=True)
    content = folder.with_suffix(".json")
    content.write_bytes(payload(body_bytes))
    for serial in range(messages):
        (target / f"FREQ_202605060231_{serial:06d}.json").symlink_to(content)


def payload(body_bytes: int) -> bytes:
    """As many records as make a body of this size, or slightly more."""
    records: list[dict[str, Any]] = []
    for serial in count():
        text = json.dumps(records).encode()
        if len(iris_body(text)) >= body_bytes:
            return text
        records.append({**RECORD, "frequency": 50 + serial % 9 / 100})
    raise AssertionError


def peak_mb(pid: int) -> list[float]:
    """The peak memory of a process; nothing where there is no /proc."""
    with contextlib.suppress(FileNotFoundError):
        status = Path(f"/proc/{pid}/status").read_text()
        line = next(x for x in status.splitlines() if x.startswith("VmHWM"))
        return [int(line.split()[1]) * 1024 / 1e6]
    return []


@dataclass
class _Stage:
    """A full queue, and what else one side needs.

    Attributes:
        folder: For logs and the messages of Pub/Sub.
        control_port: Of the simulator.
        variables: The settings that name the queue.
        children: The processes, in the order of their start.
    """

    folder: Path
    control_port: int
    variables: dict[str, str]
    children: list[Child]

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, folder: Path, case: Case) -> AsyncIterator["_Stage"]:
        """Starts the queue; stops all processes at the end."""
        folder.mkdir()
        async with contextlib.AsyncExitStack() as stack:
            samples = str(folder.parent / "samples")
            options = ["--port", "0", "--samples", samples]
            simulator = _start(folder, "simulator", "local", "simulator", *options)
            children = [simulator]
            stack.push_async_callback(_stop, children)
            ready = await simulator.wait_for(simulator.ready_line, START_SECONDS)
            port, connection_string = ready["port"], ready["connection_string"]
            if case.round_trip_seconds:
                far = delay.proxy(port, case.round_trip_seconds)
                far_port = await stack.enter_async_context(far)
                connection_string = connection_string.replace(
                    f":{port};", f":{far_port};"
                )
            variables = {
                "IRIS_CONNECTION_STRING": connection_string,
                "IRIS_QUEUE_NAME": ready["queue"],
            }
            yield cls(folder, ready["control_port"], variables, children)

    def start_loop(self) -> None:
        """Starts Elexon's loop."""
        child = _start(
            self.folder, "loop", "benchmarks.official_loop", variables=self.variables
        )
        self.children.append(child)

    async def start_bridge(self) -> Child:
        """Starts a Pub/Sub and the bridge that publishes to it."""
        options = ["--port", "0", "--data", str(self.folder)]
        pubsub = _start(self.folder, "pubsub", "local", "pubsub", *options)
        self.children.append(pubsub)
        ready = await pubsub.wait_for(pubsub.ready_line, START_SECONDS)
        await asyncio.to_thread(create_topics, ready["host"])
        variables = {
            "PUBSUB_EMULATOR_HOST": ready["host"],
            "PUBSUB_TOPIC": TOPIC,
            "HEALTH_PORT": "0",
        }
        child = _start(
            self.folder, "bridge", "bridge", variables=self.variables | variables
        )
        self.children.append(child)
        return child

    async def rate(self, seconds: float) -> float:
        """Messages a second that the queue sees completed, after the warm-up."""
        side = self.children[-1]
        await side.wait_for(lambda: self._completed() or None, START_SECONDS)
        await asyncio.sleep(WARM_UP_SECONDS)
        before, started = await self._look()
        await asyncio.sleep(seconds)
        after, ended = await self._look()
        side.check()
        return (after - before) / (ended - started)

    async def _look(self) -> tuple[int, float]:
        completed = await asyncio.to_thread(self._completed)
        return completed, time.monotonic()

    def _completed(self) -> int:
        url = f"http://{LOOPBACK}:{self.control_port}/stats"
        with urllib.request.urlopen(url, timeout=START_SECONDS) as answer:
            stats = json.load(answer)
        if stats["exhausted"] and not stats["queue"]["ready"]:
            raise RuntimeError(
                "the queue ran empty: raise MAX_MESSAGES_PER_SECOND for this machine"
            )
        return int(stats["queue"]["completed"])


def _start(
    folder: Path, name: str, *command: str, variables: Mapping[str, str] | None = None
) -> Child:
    """Starts a Python module without the user's settings."""
    environment = {
        key: text for key, text in os.environ.items() if not key.startswith(HIDDEN)
    }
    environment |= {"PYTHONPATH": str(ROOT), **(variables or {})}
    return Child(
        name,
        [sys.executable, "-m", *command],
        folder / f"{name}.log",
        environment,
        folder,
    )


async def _stop(children: list[Child]) -> None:
    """Stops the side first, as it holds messages of the queue."""
    for child in reversed(children):
        await child.stop(STOP_SECONDS)
