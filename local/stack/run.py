"""One run of the whole system: services, bridge, pipeline, watched until the end."""

import asyncio
import contextlib
import functools
import os
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from command import signals
from local.bigquery import emulator
from local.data_folder import write_json
from local.failure import PartFailedError
from local.ports import LOOPBACK
from local.process import Child, together, unless, wait_for_event
from local.pubsub.google_pubsub import IN_MEMORY, Choice
from local.stack import refresh
from local.stack.iris_source import stale_addresses
from local.stack.mixture import BRIDGE_STATE
from local.stack.monitor import HTTP_SECONDS, Monitor
from local.stack.plan import Plan
from local.stack.progress import Progress
from local.stack.services import Services, starting_text
from local.stack.silence import Silence
from local.stack.snapshot import Snapshot
from local.stack.summary import Counts, summarize, total

USUAL_HEALTH_PORT = 8080
BRIDGE_START_SECONDS = 60.0
# A little more than the bridge gives itself to settle its messages in flight.
BRIDGE_STOP_SECONDS = 25.0
# For the last bundles and their rows.
PIPELINE_STOP_SECONDS = 40.0
# How long the end of a run may empty Pub/Sub: some 10,000 messages on a small machine.
# What the embedded one keeps is there for the next run; Google's keeps nothing.
EMPTY_SECONDS: dict[Choice, float] = {"embedded": 30.0, "google": 180.0}

# Each look is a query, whose result the local BigQuery keeps for ten minutes. A run
# that ends by itself is looked at more often.
LOOK_SECONDS, LOOK_UNTIL_DRAINED_SECONDS = 2.0, 0.5
# The ledger grows with the run: reading it may take a fifth of the time at most.
LOOK_COST_FACTOR = 4
STALL_SECONDS = 120.0


class Run:
    """A run from its start to its summary.

    Attributes:
        services: The services around bridge and pipeline.
        failure: What failed, if anything did.
        is_ready: Whether all parts have started.
    """

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.services = Services(plan)
        self.failure: PartFailedError | None = None
        self.is_ready = False
        self._plan = plan
        self._progress = progress
        self._bridge: Child | None = None
        self._pipeline: Child | None = None
        self._monitor: Monitor | None = None
        self._refresh: asyncio.Task[None] | None = None
        self._silence: asyncio.Task[None] | None = None
        self._drained = False
        self._dashboard = ""
        self._complaint = ""
        self._trouble: str | None = None

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
            await self._end_refresh()
            last = self._monitor.finish() if self._monitor else Snapshot()
            await self.services.stop()
            last = replace(last, waiting=self.services.waiting())
            return self.conclude(last, started)
        finally:
            await self.services.stop()
            self._progress.close()

    def _stop_on_signals(self) -> asyncio.Event:
        """Returns an event that the first signal sets; a second one ends at once."""
        stopped = asyncio.Event()

        def finish(_number: signal.Signals) -> None:
            stopped.set()
            seconds = EMPTY_SECONDS[self._plan.pubsub]
            self._progress.say(
                "finishing what is in flight and in Pub/Sub, for "
                f"{seconds:.0f} s at most; Ctrl-C again to kill"
            )

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
        kind = self._plan.pubsub
        memory = f" ({IN_MEMORY}: at its end they are lost)"
        said = kind + memory if kind == "google" else kind
        self._progress.say(f"Pub/Sub: {said}; starting bridge, pipeline")
        given = self._plan.health_port
        port = self._plan.data.port("the bridge's health", given, USUAL_HEALTH_PORT)
        health_url = f"http://{LOOPBACK}:{port}"
        services.know("BRIDGE_URL", health_url)
        monitor = self._monitor = await asyncio.to_thread(
            Monitor,
            self._tables,
            health_url,
            services.environment.get("IRIS_CONTROL_URL"),
            services.backlog,
        )
        works = [self._start_pipeline(), self._start_bridge(port)]
        if self._plan.dashboard:
            works.append(self._start_dashboard(health_url))
        await together(*works)
        self._refresh = asyncio.create_task(refresh.now_and_then(self._tables))
        silence = Silence(self.services, self._progress.say)
        self._silence = asyncio.create_task(silence.watch())
        self.is_ready = True
        self._progress.say("ready; stop with Ctrl-C")
        if self._dashboard:
            self._progress.say(self._dashboard)
        return monitor

    @functools.cached_property
    def _tables(self) -> bigquery.Client:
        return emulator.connect(self.services.environment["BIGQUERY_EMULATOR_HOST"])

    async def _end_refresh(self) -> None:
        """Refreshes once more if all of SAMPLES is accounted for: they may be years."""
        if self._refresh:
            self._refresh.cancel()
        if self._drained:
            await refresh.once(self._tables)

    def _service_names(self) -> list[str]:
        source = ["IRIS simulator"] if self._plan.simulator else []
        return [*source, "Pub/Sub", "BigQuery"]

    async def _start_bridge(self, port: int) -> None:
        self._bridge = self.services.launch(
            "bridge",
            "bridge",
            HEALTH_PORT=str(port),
            IRIS_STATE_FILE=str(self._plan.data.path / BRIDGE_STATE),
            **({} if self._plan.simulator else stale_addresses(os.environ)),
        )
        url = f"http://{LOOPBACK}:{port}/healthz"
        bridge = self._bridge
        # The live feed may be away for hours, and the run goes on.
        is_ready = _healthy if self._plan.simulator else _answers
        await self.services.ready(
            bridge, lambda: bridge.wait_for(lambda: is_ready(url), BRIDGE_START_SECONDS)
        )

    async def _start_dashboard(self, health_url: str) -> None:
        self._dashboard = await self.services.start_dashboard(health_url)

    async def _start_pipeline(self) -> None:
        # It is known from now on: a stop waits for what it reads already.
        self._pipeline = self.services.launch_pipeline()
        await self.services.pipeline_ready(self._pipeline)

    async def _watch(self, monitor: Monitor, stopped: asyncio.Event) -> None:
        """Shows the progress until the run is drained or stopped.

        Raises:
            PartFailedError: A part has ended, or a run until drained makes no progress.
        """
        stall = Stall()
        drains = self._plan.until_drained
        look_seconds = LOOK_UNTIL_DRAINED_SECONDS if drains else LOOK_SECONDS
        while True:
            began = time.monotonic()
            snapshot = await asyncio.to_thread(self._look, monitor)
            self._keep_up()
            self._say_trouble(snapshot.trouble)
            self._progress.show(snapshot)
            if stopped.is_set():
                return
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
                stopped, max(look_seconds, LOOK_COST_FACTOR * cost_seconds)
            )

    def _keep_up(self) -> None:
        """Starts parts again that have ended.

        A run until drained ends instead: its counts would no longer say what is left.

        Raises:
            PartFailedError: A part has ended, and is not started again.
        """
        if self._plan.until_drained:
            self.services.check()
        else:
            self.services.keep_up(self._progress.say)

    def _say_trouble(self, trouble: str | None) -> None:
        """Prints when the bridge loses IRIS, why, and when it has it again."""
        if trouble != self._trouble:
            self._trouble = trouble
            self._progress.say(
                f"IRIS: {trouble}; trying again" if trouble else "IRIS: connected"
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
        if self._silence:
            self._silence.cancel()
        await self._stop(self._bridge, BRIDGE_STOP_SECONDS)
        if self._bridge and self._monitor:
            end = self._bridge.logged("bridge stopped") or {}
            self._monitor.bridge_ended(end.get("published", 0))
            await self._empty_pubsub(self._monitor)
        await self._stop(self._pipeline, PIPELINE_STOP_SECONDS)

    async def _stop(self, child: Child | None, seconds: float) -> None:
        code = await child.stop(seconds) if child else 0
        # Python itself ends so while a part is loading, before it has done anything.
        if child and code not in (0, -signal.SIGTERM) and not self.failure:
            self.failure = child.failed(f"ended with exit code {code}")

    async def _empty_pubsub(self, monitor: Monitor) -> None:
        """Waits until the pipeline has done what was published, for a stated time."""
        end = time.monotonic() + EMPTY_SECONDS[self._plan.pubsub]
        snapshot = monitor.last
        while self._pipeline and self._pipeline.exit_code is None:
            with contextlib.suppress(OSError, GoogleAPICallError):  # it may come back
                snapshot = await asyncio.to_thread(monitor.count)
            self._progress.show(snapshot)
            left = end - time.monotonic()
            if self.failure or not snapshot.pipeline_owes() or left <= 0:
                return
            await asyncio.sleep(min(LOOK_UNTIL_DRAINED_SECONDS, left))

    def conclude(self, snapshot: Snapshot, started: datetime) -> dict[str, Any]:
        """Writes the summary into the DATA folder; returns it.

        Args:
            snapshot: The last one of the run.
            started: UTC.
        """
        expected = snapshot.expected if self._drained else snapshot.owed
        summary = summarize(
            snapshot.ledger, expected, started, datetime.now(UTC), snapshot.delays
        )
        summary["ready"] = self.is_ready
        summary["connected"] = snapshot.ever_connected
        is_all = summary["connected"] and not snapshot.waiting
        summary["balanced"] = summary["balanced"] and is_all
        summary["waiting"] = snapshot.waiting
        summary["lost"] = snapshot.lost
        summary["pubsub"] = self._plan.pubsub
        summary["live"] = not self._plan.simulator
        summary["refused"] = snapshot.refused
        summary["drained"] = self._drained
        summary["reasons"] = [
            {"reason": reason, "dataset": dataset, "count": count}
            for (reason, dataset), count in snapshot.reasons.items()
        ]
        summary["restarts"] = dict(self.services.restarts.counts)
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
    return _status(url) == HTTPStatus.OK or None


def _answers(url: str) -> bool | None:
    return _status(url) is not None or None


def _status(url: str) -> int | None:
    """The status of an answer: 503 without a session; None if nothing answers."""
    try:
        with urlopen(url, timeout=HTTP_SECONDS) as answer:  # noqa: S310 - our own http
            status: int = answer.status
            return status
    except HTTPError as error:
        return error.code
    except OSError:
        return None
