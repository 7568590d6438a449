"""The run of a soak: the stack, its feed and its faults, watched until the end."""

import contextlib
import heapq
import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple

from google.api_core.exceptions import GoogleAPICallError
from requests import RequestException

from command.data_state import read_json
from local.bigquery import emulator
from local.data_folder import DataFolder, write_json
from local.failure import PartFailedError
from tests.faults.soak import machine, reconciliation, report
from tests.faults.soak.feed import Feed
from tests.faults.soak.messages import Messages
from tests.faults.soak.plan import Fault, plan
from tests.faults.soak.reconciliation import Expected
from tests.faults.soak.report import Report
from tests.faults.soak.series import Series
from tests.faults.soak.stack import Stack

SAMPLE_SECONDS = 60.0
LEDGER_SECONDS = 10.0
# Part of the messages is compared this often; the last of them are still on their way.
COMPARE_SECONDS = 600.0
LATE_SECONDS = 240.0
# After the feed's end, for everything that is on its way.
FINISH_SECONDS = 900.0
STEP_SECONDS = 0.5
NO_ANSWER = (OSError, GoogleAPICallError, RequestException)

Say = Callable[[str], None]


class Options(NamedTuple):
    """What the user asks for."""

    hours: float
    seed: int
    rate: float
    fault_every_seconds: float


class Soak:
    """One soak on an empty folder.

    Attributes:
        report: What it has done so far.
    """

    def __init__(self, options: Options, data: DataFolder, say: Say) -> None:
        self.report = Report(options.seed, 0.0)
        self._options, self._data, self._say = options, data, say
        self._seconds = options.hours * 3600
        self._series = Series(data.path / "soak.csv")
        self._faults = deque(
            plan(options.seed, self._seconds, options.fault_every_seconds)
        )
        self._ends: list[tuple[float, int, Fault]] = []
        self._serial = itertools.count()
        self._done: Counter[str] = Counter()
        self._marks: deque[tuple[float, int, str]] = deque()
        self._compared = 0
        self._counts: dict[str, int] = {}

    def perform(self, stopped: threading.Event) -> Report:
        """Runs until its time is over, it is stopped, or the stack fails."""
        started_utc = datetime.now(UTC)
        messages = Messages(self._options.seed, started_utc, self._options.rate)
        stack = Stack(self._data, messages.message(0))
        began = time.monotonic()
        try:
            stack.wait_until_ready()
            began = time.monotonic()
            self._soak(stack, messages, stopped, began)
        except (PartFailedError, OSError) as error:
            self.report.error = str(error)
        finally:
            self.report.hours = (time.monotonic() - began) / 3600
            self._conclude(stack, messages)
        return self.report

    def _soak(
        self,
        stack: Stack,
        messages: Messages,
        stopped: threading.Event,
        began: float,
    ) -> None:
        feed = Feed(messages, self._options.rate, stack.addresses["IRIS_CONTROL_URL"])
        feed.start()
        with ThreadPoolExecutor(1) as asking:
            try:
                self._watch(stack, feed, messages, stopped, began, asking)
            finally:
                feed.stop()
                self.report.sent = feed.sent
                self._end_all_faults(stack)
            self._say("the feed has ended: waiting for what is on its way")
            self._finish(stack, feed)

    def _watch(
        self,
        stack: Stack,
        feed: Feed,
        messages: Messages,
        stopped: threading.Event,
        began: float,
        asking: ThreadPoolExecutor,
    ) -> None:
        """Raises PartFailedError or OSError if the stack or the feed fails."""
        sample_at, compare_at = 0.0, COMPARE_SECONDS
        comparing = None
        while not stopped.wait(STEP_SECONDS):
            now = time.monotonic() - began
            stack.check()
            if feed.error:
                raise OSError(f"the feed has ended: {feed.error}")
            if now >= self._seconds:
                return
            self._do_faults(stack, now)
            if now >= sample_at:
                sample_at += SAMPLE_SECONDS
                self._sample(stack, feed, now)
            if comparing and comparing.done():
                compared, comparing = comparing.result(), None
                if compared:
                    self._say(compared)
            if now >= compare_at and not comparing:
                compare_at += COMPARE_SECONDS
                comparing = asking.submit(self._compare, stack, messages, now)

    def _do_faults(self, stack: Stack, now: float) -> None:
        """Begins and ends what is due."""
        while self._ends and self._ends[0][0] <= now:
            _, _, fault = heapq.heappop(self._ends)
            stack.end(fault)
        while self._faults and self._faults[0].at_seconds <= now:
            fault = self._faults.popleft()
            # One fault of a part at a time: a frozen simulator answers no request.
            for before in [one for one in self._ends if one[2].part == fault.part]:
                self._ends.remove(before)
                stack.end(before[2])
            heapq.heapify(self._ends)
            self._done[f"{fault.part} {fault.kind}"] += 1
            self._say(f"fault: {fault}")
            stack.begin(fault)
            if fault.lasts_seconds:
                end = now + fault.lasts_seconds
                heapq.heappush(self._ends, (end, next(self._serial), fault))

    def _end_all_faults(self, stack: Stack) -> None:
        self.report.faults = dict(self._done)
        while self._ends:
            with contextlib.suppress(OSError):
                stack.end(heapq.heappop(self._ends)[2])

    def _sample(self, stack: Stack, feed: Feed, now: float) -> None:
        counts = self._ledger(stack)
        stamp = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        self._marks.append((now, feed.sent, stamp))
        tables = machine.stored(self._data.bigquery)
        pubsub = sum(
            path.stat().st_size for path in self._data.path.glob("pubsub.sqlite*")
        )
        sample: dict[str, float | None] = {"seconds": round(now, 1), "sent": feed.sent}
        for name in ("messages", "records", *reconciliation.ENDS):
            sample[name] = counts.get(name) if counts else None
        sample |= {"faults": self._done.total(), "table files": tables.files}
        sample |= {"table bytes": tables.size_bytes, "pubsub bytes": pubsub}
        sample["log bytes"] = machine.stored(self._data.path / "logs").size_bytes
        parts = stack.parts()
        for name in machine.MARKS:
            sample |= _columns(name, parts.get(name))
        self._series.add(sample)
        self._say(_progress(sample, counts is None))

    def _ledger(self, stack: Stack) -> dict[str, int] | None:
        """The counts; None if BigQuery does not answer at the moment."""
        try:
            client = emulator.connect(stack.addresses["BIGQUERY_EMULATOR_HOST"])
            with contextlib.closing(client):
                self._counts = reconciliation.ledger(client, LEDGER_SECONDS)
        except NO_ANSWER:
            return None
        return self._counts

    def _compare(self, stack: Stack, messages: Messages, now: float) -> str | None:
        """Compares the messages since the last time with the tables; says what it saw.

        What is late is not lost yet: all are looked for again at the end.
        """
        first, last, since = self._compared, 0, ""
        for at, sent, stamp in self._marks:
            if sent <= first or not since:
                since = stamp
            if at <= now - LATE_SECONDS:
                last = sent
        if last <= first:
            return None
        sent = map(messages.message, range(first, last))
        # The rows of a copy may be those of a message before.
        expected = Expected(one for one in sent if one.kind != "copy")
        try:
            client = emulator.connect(stack.addresses["BIGQUERY_EMULATOR_HOST"])
            with contextlib.closing(client):
                found = reconciliation.missing(client, expected, since)
        except NO_ANSWER as error:
            return f"not compared now, later with the rest: {error}"
        self._compared = last
        self.report.late += found.lost
        late = f", {found.lost:,} are late: {found.examples}" if found.lost else ""
        span = f"messages {first:,} to {last:,}"
        return f"compared: {found.checked:,} records of {span}{late}"

    def _finish(self, stack: Stack, feed: Feed) -> None:
        """Waits until the ledger has counted every message.

        Raises:
            OSError: It has not, in time.
        """
        ended = time.monotonic()
        while time.monotonic() - ended < FINISH_SECONDS:
            stack.check()
            queue = stack.control("/stats", "GET")["queue"]
            counts = self._ledger(stack)
            on_queue = queue["ready"] + queue["locked"]
            # Messages that came twice are counted twice: nothing may wait, either.
            waiting = on_queue + stack.backlog()
            if counts and not waiting and counts["messages"] >= feed.sent:
                self.report.recovery_seconds = time.monotonic() - ended
                return
            time.sleep(STEP_SECONDS)  # the counts are the condition waited for
        late = f"{waiting:,} wait, {counts} in the ledger of {feed.sent:,}"
        raise OSError(f"not all was counted within {FINISH_SECONDS:g} s: {late}")

    def _conclude(self, stack: Stack, messages: Messages) -> None:
        """Stops the stack, and compares everything."""
        code = stack.stop()
        self._say(f"the stack has ended with exit code {code}; comparing everything")
        self.report.counts = self._counts
        self.report.summary = read_json(self._data.path / "run-summary.json") or {}
        warm_up = min(600.0, self._seconds / 6)
        self.report.slopes = report.slopes_of(self._series, warm_up)
        self.report.bytes_per_record = report.bytes_per_record(self._series, warm_up)
        try:
            with emulator.serving(self._data) as addresses:
                client = emulator.connect(addresses["BIGQUERY_EMULATOR_HOST"])
                expected = Expected(map(messages.message, range(self.report.sent)))
                self.report.difference = reconciliation.compare(client, expected)
                self.report.counts = reconciliation.ledger(client, 60.0)
        except (*NO_ANSWER, PartFailedError) as error:
            self.report.error = self.report.error or f"not compared: {error}"
        write_json(self._data.path / "soak-report.json", self.report.as_json())


def _columns(name: str, part: machine.Part | None) -> dict[str, float | None]:
    return {
        f"{name} pid": part and part.pid,
        f"{name} age": part and round(part.age_seconds),
        f"{name} memory": part and part.memory_bytes,
        f"{name} files": part and part.files,
        f"{name} sockets": part and part.sockets,
        f"{name} threads": part and part.threads,
    }


def _progress(sample: dict[str, Any], silent: bool) -> str:
    """One line for a minute."""
    hours, minutes = divmod(int(sample["seconds"]) // 60, 60)
    memory = " ".join(_memories(sample))
    counted = (
        "BigQuery does not answer" if silent else f"counted {sample['messages']:,}"
    )
    return (
        f"{hours}:{minutes:02} sent {sample['sent']:,}, {counted}, "
        f"{sample['faults']} faults; MB: {memory}; {sample['table files']:,} files, "
        f"{sample['table bytes'] / 1e6:,.0f} MB"
    )


def _memories(sample: dict[str, Any]) -> Iterator[str]:
    for name in machine.MARKS:
        size_bytes = sample[f"{name} memory"]
        yield f"{name} {size_bytes / 1e6:.0f}" if size_bytes else f"{name} away"
