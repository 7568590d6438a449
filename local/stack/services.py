"""What bridge and pipeline need around them: IRIS, Pub/Sub, BigQuery with tables."""

import asyncio
import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from local import dashboard
from local.bigquery import emulator, tables
from local.data_folder import DataFolder
from local.failure import PartFailedError
from local.ports import LOOPBACK
from local.process import Child, together
from local.pubsub.google_pubsub import pubsub_command, wait_until_ready
from local.pubsub.topics import SUBSCRIPTION, TOPIC, create_topics
from local.stack.mixture import DEMO_STATE
from local.stack.plan import Plan
from local.stack.restarts import Restarts

USUAL_PUBSUB_PORT = 8085
USUAL_IRIS_PORT = 5672
# A cold start on a busy small machine; ready ones answer within 1 to 3 s.
START_SECONDS = 60.0
# Importing Beam and building the graph on a busy small machine.
PIPELINE_START_SECONDS = 120.0
# From the start of one round to the next; on average a message waits for half of it.
# A round with the few messages of one second takes half a second.
DRAIN_EVERY = "1s"
STOP_SECONDS = 10.0
LOOK_SECONDS = 1.0

Wait = Callable[[], Awaitable[object]]


def starting_text(names: list[str], data: DataFolder) -> str:
    """What a user reads while services start; the first time takes longer."""
    made = data.has_tables or tables.blank_is_made()
    once = "" if made else " (creates tables and views: up to a minute, once)"
    return "starting " + ", ".join(names) + once


@dataclass
class Services:
    """The services of one stack.

    Attributes:
        children: What has been started, in that order.
        environment: The addresses, by the name of their variable.
        backlog: Messages of an earlier run that were waiting at the start.
        restarts: Parts that ended and were started again.
    """

    plan: Plan
    children: list[Child] = field(default_factory=list)
    restarts: Restarts = field(default_factory=Restarts)
    environment: dict[str, str] = field(default_factory=dict)
    backlog: int = 0
    _waits: dict[str, Wait] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def start(self) -> None:
        """Starts all of them at once; returns when all are ready.

        Raises:
            UsageError: A port is taken, or something is not installed.
            PartFailedError: One of them does not start.
        """
        self.environment = {"PUBSUB_TOPIC": TOPIC, "PUBSUB_SUBSCRIPTION": SUBSCRIPTION}
        waits = [self._start_pubsub(), self._start_bigquery()]
        if self.plan.simulator:
            waits.append(self._start_simulator())
        self._announce()
        await together(*waits)
        self._announce()

    def _announce(self) -> None:
        self.plan.data.write_state(self.plan.owner, self.environment)

    def know(self, name: str, address: str) -> None:
        """Notes an address, for later parts and for other processes."""
        self.environment[name] = address
        self._announce()

    def _metrics_port(self, part: str) -> str:
        """Where a part serves its metrics."""
        port = self.plan.data.port(f"the metrics of {part}")
        self.know(f"{part.upper()}_METRICS_URL", f"http://{LOOPBACK}:{port}/metrics")
        return str(port)

    def launch(self, name: str, *arguments: str, **variables: str) -> Child:
        """Starts a Python module as a part that knows the addresses.

        Args:
            name: Of the part; its log is named after it.
            arguments: The module and its arguments.
            variables: Further environment variables.
        """
        environment = os.environ | self.environment | variables
        command = [sys.executable, "-m", *arguments]
        log = self.plan.data.log(name.lower().replace(" ", "-"))
        child = Child(name, command, log, environment)
        self.children.append(child)
        return child

    def launch_pipeline(self) -> Child:
        """Starts the pipeline in the mode of the plan; see `pipeline_ready`."""
        arguments = ["pipeline", "--subscription", SUBSCRIPTION]
        arguments += ["--project", emulator.PROJECT, "--dataset", emulator.DATASET]
        if self.plan.archive:
            arguments += ["--archive_prefix", str(self.plan.archive)]
        if self.plan.mode == "drain":
            arguments += ["--drain", "--every", DRAIN_EVERY]
            arguments += ["--metrics_port", self._metrics_port("pipeline")]
            return self.launch("pipeline", *arguments)
        return self.launch("pipeline", "local", *arguments, "--streaming")

    async def pipeline_ready(self, child: Child) -> None:
        """Waits until the pipeline reads.

        Raises:
            PartFailedError: It does not start.
        """
        is_drain = self.plan.mode == "drain"
        look: Callable[[], object | None] = (
            partial(child.says, "draining") if is_drain else child.ready_line
        )
        await self.ready(child, lambda: child.wait_for(look, PIPELINE_START_SECONDS))

    async def start_dashboard(self, health_url: str) -> str:
        """Starts the dashboard; returns what the user should know of it.

        A run goes on without it.

        Args:
            health_url: Where the bridge reports its health.
        """
        data = self.plan.data
        port = data.port(
            dashboard.PURPOSE, self.plan.dashboard_port, dashboard.USUAL_PORT
        )
        arguments = [
            *("dashboard", "serve"),
            *("--port", str(port)),
            *("--data", str(data.path)),
            *("--bridge", health_url),
        ]
        child = self.launch("dashboard", *arguments)
        try:
            await self.ready(
                child,
                lambda: child.wait_for(lambda: child.says("http://"), START_SECONDS),
            )
        except PartFailedError as error:
            self.children.remove(child)
            child.kill()
            return f"no dashboard: {error}; see {child.log}"
        url = f"http://{LOOPBACK}:{port}"
        self.know("DASHBOARD_URL", url)
        return f"dashboard: {url}"

    async def ready(self, child: Child, wait: Wait) -> None:
        """Waits until a part is ready, now and whenever it is started again.

        Args:
            child: The part.
            wait: Waits for it.
        """
        self._waits[child.name] = wait
        await wait()

    def is_ready(self, child: Child) -> bool:
        """Whether a part has started, and is not being started again."""
        return child.name in self._waits and child.name not in self._tasks

    def check(self) -> None:
        """Makes sure that all of them run.

        Raises:
            PartFailedError: One has ended.
        """
        for child in self.children:
            child.check()

    def keep_up(self, say: Callable[[str], None]) -> None:
        """Starts parts again that have ended, each in a task of its own.

        One may need another that has ended, too, before it is ready.

        Args:
            say: Tells the user.

        Raises:
            PartFailedError: One ended too often, or the user must correct something.
        """
        for child in tuple(self.children):
            task = self._tasks.get(child.name)
            if task and task.done():
                self._tasks.pop(child.name).result()
            elif not task and child.exit_code is not None:
                work = self._start_again(child, child.exit_code, say)
                self._tasks[child.name] = asyncio.create_task(work)

    async def _start_again(
        self, child: Child, code: int, say: Callable[[str], None]
    ) -> None:
        now, ended = time.monotonic(), f"ended with exit code {code}"
        pause_seconds = self.restarts.pause_seconds(child.name, code, now)
        if pause_seconds is None and child.name == "dashboard":
            self.children.remove(child)  # the feed goes on
            say(f"dashboard {ended}, see {child.log}: it is not started again")
            return
        if pause_seconds is None:
            raise child.failed(ended)
        say(f"{child.name} {ended}, see {child.log}: started again")
        if self._forgets(child):
            say("messages that it had in memory are lost: the run's end counts them")
        await asyncio.sleep(pause_seconds)
        child.restart(f"it {ended}")
        with contextlib.suppress(PartFailedError):  # it ended again
            await self._waits[child.name]()

    def _forgets(self, child: Child) -> bool:
        """Whether messages that are no longer in IRIS's queue end with this part."""
        if child.name == "Pub/Sub":
            return self.plan.pubsub == "google"
        return child.name == "pipeline" and self.plan.mode == "streaming"

    def waiting(self) -> int:
        """Messages that wait in the file of the embedded Pub/Sub, while it is down."""
        if self.plan.pubsub == "google":
            return 0
        return _backlog(self.plan.data.path / "pubsub.sqlite")

    async def stop(self) -> None:
        """Stops all of them; those that have ended stay so."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        stops = (child.stop(STOP_SECONDS) for child in self.children)
        await asyncio.gather(*stops)

    def kill(self) -> None:
        """Ends all of them at once."""
        for child in self.children:
            child.kill()

    async def _start_bigquery(self) -> None:
        data = self.plan.data
        is_current = not data.has_tables and await tables.start_from_blank(data)
        server = emulator.start(data, self.plan.bigquery_port)
        self.children.append(server.child)
        await self.ready(server.child, server.ready)
        if not is_current:
            await tables.apply(server, data.log("tables"))
        self.environment |= emulator.addresses(server)

    async def _start_pubsub(self) -> None:
        data = self.plan.data
        port = data.port("Pub/Sub", self.plan.pubsub_port, USUAL_PUBSUB_PORT)
        command = pubsub_command(self.plan.pubsub, LOOPBACK, port, data.path)
        if self.plan.pubsub == "embedded":
            command += ["--metrics-port", self._metrics_port("pubsub")]
        self.backlog = self.waiting()
        child = Child("Pub/Sub", command, data.log("pubsub"))
        self.children.append(child)
        host = f"{LOOPBACK}:{port}"

        async def ready() -> None:
            await child.wait_for(lambda: _answers(port), START_SECONDS)
            await asyncio.to_thread(create_topics, host)

        await self.ready(child, ready)
        self.environment["PUBSUB_EMULATOR_HOST"] = host

    async def _start_simulator(self) -> None:
        plan = self.plan
        port = plan.data.port("the IRIS simulator", plan.iris_port, USUAL_IRIS_PORT)
        control_port = plan.data.port("the IRIS simulator's control")
        arguments = ["simulator", "--port", str(port)]
        arguments += ["--control-port", str(control_port)]
        if plan.samples:
            arguments += ["--samples", str(plan.samples)]
        else:
            arguments += ["--state", str(plan.data.path / DEMO_STATE)]
        if plan.rate:
            arguments += ["--rate", str(plan.rate)]
        child = self.launch("IRIS simulator", "local", *arguments)
        await self.ready(child, lambda: child.wait_for(child.ready_line, START_SECONDS))
        ready = child.ready_line() or {}
        self.environment |= {
            "IRIS_CONNECTION_STRING": ready["connection_string"],
            "IRIS_QUEUE_NAME": ready["queue"],
            "IRIS_CONTROL_URL": f"http://{LOOPBACK}:{ready['control_port']}",
        }


def _answers(port: int) -> bool | None:
    try:
        wait_until_ready(LOOPBACK, port, LOOK_SECONDS)
    except TimeoutError:
        return None
    return True


def _backlog(store: Path) -> int:
    """Counts the messages that the embedded Pub/Sub has kept for the pipeline."""
    if not store.exists():
        return 0
    try:
        with closing(sqlite3.connect(store)) as connection:
            (count,) = connection.execute(
                "SELECT COUNT(*) FROM backlog WHERE subscription = ?", [SUBSCRIPTION]
            ).fetchone()
    except sqlite3.Error:  # the server will report what is wrong with its file
        return 0
    return int(count)
