"""What bridge and pipeline need around them: IRIS, Pub/Sub, BigQuery with tables."""

import asyncio
import os
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from local.bigquery import emulator, tables
from local.data_folder import DataFolder
from local.ports import LOOPBACK, choose_port
from local.process import Child, together
from local.pubsub.google_pubsub import pubsub_command, wait_until_ready
from local.pubsub.topics import SUBSCRIPTION, TOPIC, create_topics
from local.stack.plan import Plan

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
        pubsub_kind: Which Pub/Sub it is.
        backlog: Messages of an earlier run that are waiting for the pipeline.
    """

    plan: Plan
    children: list[Child] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    pubsub_kind: str = ""
    backlog: int = 0

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

    async def start_pipeline(self) -> Child:
        """Starts the pipeline in the mode of the plan; returns when it reads.

        Raises:
            PartFailedError: It does not start.
        """
        arguments = ["pipeline", "--subscription", SUBSCRIPTION]
        arguments += ["--project", emulator.PROJECT, "--dataset", emulator.DATASET]
        if self.plan.archive:
            arguments += ["--archive_prefix", str(self.plan.archive)]
        if self.plan.mode == "drain":
            arguments += ["--drain", "--every", DRAIN_EVERY]
            child = self.launch("pipeline", *arguments)
            await child.wait_for(lambda: child.says("draining"), PIPELINE_START_SECONDS)
        else:
            child = self.launch("pipeline", "local", *arguments, "--streaming")
            await child.wait_for(child.ready_line, PIPELINE_START_SECONDS)
        return child

    def check(self) -> None:
        """Makes sure that all of them run.

        Raises:
            PartFailedError: One has ended.
        """
        for child in self.children:
            child.check()

    async def stop(self) -> None:
        stops = (child.stop(STOP_SECONDS) for child in self.children)
        await asyncio.gather(*stops)

    def kill(self) -> None:
        """Ends all of them at once."""
        for child in self.children:
            child.kill()

    async def _start_bigquery(self) -> None:
        data = self.plan.data
        if not data.has_tables:
            await tables.start_from_blank(data)
        server = emulator.start(data, self.plan.bigquery_port)
        self.children.append(server.child)
        await server.ready()
        await tables.apply(server, data.log("tables"))
        self.environment |= emulator.addresses(server)

    async def _start_pubsub(self) -> None:
        port = choose_port(self.plan.pubsub_port, USUAL_PUBSUB_PORT, "Pub/Sub")
        folder = self.plan.data.path
        kind, command = pubsub_command(self.plan.pubsub, LOOPBACK, port, folder)
        self.pubsub_kind = kind
        if kind == "embedded":
            self.backlog = _backlog(folder / "pubsub.sqlite")
        child = Child("Pub/Sub", command, self.plan.data.log("pubsub"))
        self.children.append(child)
        await child.wait_for(lambda: _answers(port), START_SECONDS)
        host = f"{LOOPBACK}:{port}"
        await asyncio.to_thread(create_topics, host)
        self.environment["PUBSUB_EMULATOR_HOST"] = host

    async def _start_simulator(self) -> None:
        plan = self.plan
        port = choose_port(plan.iris_port, USUAL_IRIS_PORT, "the IRIS simulator")
        arguments = ["simulator", "--port", str(port)]
        if plan.samples:
            arguments += ["--samples", str(plan.samples)]
        else:
            arguments += ["--state", str(plan.data.path / "demo-feed.json")]
        if plan.rate:
            arguments += ["--rate", str(plan.rate)]
        child = self.launch("IRIS simulator", "local", *arguments)
        ready = await child.wait_for(child.ready_line, START_SECONDS)
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
