"""One run of the whole system: services, bridge, pipeline, watched until the end."""

import asyncio
import signal
import time
from datetime import UTC, datetime
from typing import Any
from urllib.request import urlopen

from google.api_core.exceptions import GoogleAPICallError

from command import signals
from local.bigquery import emulator
from local.data_folder import write_json
from local.failure import PartFailedError
from local.ports import LOOPBACK, choose_port
from local.process import Child, together, unless, wait_for_event
from local.stack.monitor import HTTP_SECONDS, Monitor
from local.stack.plan import HEALTH_HOST, Plan
from local.stack.progress import Progress
from local.stack.services import Services, starting_text
from local.stack.snapshot import Snapshot
from local.stack.summary import Counts, summarize, total

USUAL_HEALTH_PORT = 8080
BRIDGE_START_SECONDS = 60.0
# A little more than the bridge gives itself to settle its messages in flight.
BRIDGE_STOP_SECONDS = 25.0
# For the last bundles and their rows.
PIPELINE_STOP_SECONDS = 40.0

LOOK_SECONDS = 0.5
# The ledger grows with the run: reading it may take a fifth of the time at most.
LOOK_COST_FACTOR = 4
STALL_SECONDS = 120.0


class Run:
    """A run from its start to its summary.

    Attributes:
        services: The services around bridge and pipeline.
        failure: What failed, if anything did.
    """

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.services = Services(plan)
        self.failure: PartFailedError | None = None
        self._plan = plan
        self._progress = progress
        self._bridge: Child | None = None
        self._pipeline: Child | None = None
        self._monitor: Monitor | None = None
        self._drained = False
        self._complaint = ""

    async def perform(self) -> dict[str, Any]:
        """Runs until drained, stopped by a signal, or a part fails.

        Returns:
            The summary, as it was written into the DATA folder.

        Raises:
            UsageError: The user must correct something first; nothing is left running.
        """
        started = datetime.now(UTC)
        stopped = self._stop_on_signals()
        try:
            await self._go_on(stopped)
            await self._stop_flow()
            last = self._monitor.finish() if self._monitor else Snapshot()
            return self.conclude(last, started)
        finally:
            await self.services.stop()
            self._progress.close()

    def _stop_on_signals(self) -> asyncio.Event:
        """Returns an event that the first signal sets; a second one ends at once."""
        stopped = asyncio.Event()

        def finish(_number: signal.Signals) -> None:
            stopped.set()
            self._progress.say("finishing what is in flight; Ctrl-C again to kill")

        def kill(number: signal.Signals) -> None:
            self._progress.close()
            self.services.kill()
            signals.end_at_once(number)

        numbers = (*signals.STOP_SIGNALS, signal.SIGHUP)
        signals.on_stop_in_loop(finish, kill, numbers)
        return stopped

    async def _go_on(self, stopped: asyncio.Event) -> None:
        """Starts everything and watches it until the run ends or a part fails."""
        try:
            if monitor := await unless(stopped, self._start()):
                await self._watch(monitor, stopped)
        except PartFailedError as error:
            self.failure = error

    async def _start(self) -> Monitor:
        services = self.services
        self._progress.say(starting_text(self._service_names(), self._plan.data))
        await services.start()
        self._progress.say(
            f"Pub/Sub: {services.pubsub_kind}; starting bridge, pipeline"
        )
        given = self._plan.health_port
        port = choose_port(given, USUAL_HEALTH_PORT, "the bridge's health", HEALTH_HOST)
        health_url = f"http://{LOOPBACK}:{port}"
        monitor = self._monitor = await asyncio.to_thread(
            Monitor,
            emulator.connect(services.environment["BIGQUERY_EMULATOR_HOST"]),
            health_url,
            services.environment.get("IRIS_CONTROL_URL"),
            services.backlog,
        )
        await together(self._start_pipeline(), self._start_bridge(port))
        self._progress.say("ready; stop with Ctrl-C")
        return monitor

    def _service_names(self) -> list[str]:
        source = "IRIS simulator" if self._plan.simulator else "(live IRIS)"
        return [source, "Pub/Sub", "BigQuery"]

    async def _start_bridge(self, port: int) -> None:
        self._bridge = self.services.launch(
            "bridge",
            "bridge",
            HEALTH_PORT=str(port),
            IRIS_STATE_FILE=str(self._plan.data.path / "bridge-state.json"),
        )
        url = f"http://{LOOPBACK}:{port}/healthz"
        await self._bridge.wait_for(lambda: _healthy(url), BRIDGE_START_SECONDS)

    async def _start_pipeline(self) -> None:
        self._pipeline = await self.services.start_pipeline()

    async def _watch(self, monitor: Monitor, stopped: asyncio.Event) -> None:
        """Shows the progress until the run is drained or stopped.

        Raises:
            PartFailedError: A part has ended, or a run until drained makes no progress.
        """
        stall = Stall()
        while not stopped.is_set():
            began = time.monotonic()
            snapshot = await asyncio.to_thread(self._look, monitor)
            self.services.check()
            self._progress.show(snapshot)
            waiting_for = snapshot.waiting_for()
            self._drained = self._plan.until_drained and waiting_for is None
            if self._drained:
                return
            if stall.lasts(total(snapshot.ledger), time.monotonic()) and waiting_for:
                stalled = f"no progress for {STALL_SECONDS:g} s"
                if self._plan.until_drained:
                    raise PartFailedError(
                        "the run", f"made {stalled} while waiting for {waiting_for}"
                    )
                self._progress.say(f"{stalled}: waiting for {waiting_for}")
            cost_seconds = time.monotonic() - began
            await wait_for_event(
                stopped, max(LOOK_SECONDS, LOOK_COST_FACTOR * cost_seconds)
            )

    def _look(self, monitor: Monitor) -> Snapshot:
        """Takes a snapshot; the one before it if a part is too busy to answer."""
        try:
            return monitor.look()
        except (OSError, GoogleAPICallError) as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                self._progress.say(f"no new counts at the moment: {error}")
            return monitor.last

    async def _stop_flow(self) -> None:
        """Stops the bridge, then the pipeline, which finishes what was published."""
        for child, seconds in (
            (self._bridge, BRIDGE_STOP_SECONDS),
            (self._pipeline, PIPELINE_STOP_SECONDS),
        ):
            code = await child.stop(seconds) if child else 0
            if child and code != 0 and not self.failure:
                self.failure = child.failed(f"ended with exit code {code}")

    def conclude(self, snapshot: Snapshot, started: datetime) -> dict[str, Any]:
        """Writes the summary into the DATA folder; returns it.

        Args:
            snapshot: The last one of the run.
            started: UTC.
        """
        expected = snapshot.expected if self._drained else None
        summary = summarize(
            snapshot.ledger, expected, started, datetime.now(UTC), snapshot.delays
        )
        summary["refused"] = snapshot.refused
        summary["drained"] = self._drained
        summary["failure"] = str(self.failure) if self.failure else None
        try:
            write_json(self._plan.data.path / "run-summary.json", summary)
        except OSError as error:  # a full disk: the counts are shown all the same
            what = f"could not write its summary: {error}"
            self.failure = self.failure or PartFailedError("the run", what)
            summary["failure"] = str(self.failure)
        return summary


class Stall:
    """Notices that the ledger does not change."""

    def __init__(self) -> None:
        self._changed_at: float | None = None
        self._seen = Counts()

    def lasts(self, counts: Counts, now: float) -> bool:
        """Whether nothing has changed for `STALL_SECONDS`; true once in that time."""
        if self._changed_at is None or counts != self._seen:
            self._seen, self._changed_at = counts, now
        elif now - self._changed_at >= STALL_SECONDS:
            self._changed_at = now
            return True
        return False


def _healthy(url: str) -> bool | None:
    try:
        with urlopen(url, timeout=HTTP_SECONDS):  # noqa: S310 - our own http
            return True
    except OSError:  # refused, or 503 with the reason
        return None
