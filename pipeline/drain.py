"""Drain: read a subscription until it is empty, in rounds that are committed whole.

A round pulls some thousand messages, runs the graph over them as a bounded run, and
acknowledges them when that has ended: rows, dead letters, unmapped messages and raw
archive are written by then, and the ledger after them. If the process is killed, at
any moment, the messages of its round come again within ten seconds.

- Killed before the ledger is written: the round is not counted. It runs again, and is
  counted then. Rows that had been written are in `_iris` twice, with the same
  `record_id` (streaming inserts cannot be undone); the views show them once.
- Killed after the ledger, before the acknowledgement: the same, and the round is
  counted twice. The ledger is balanced in both cases.

When a round fails, its messages are released, and dedup forgets everything that it
remembers: some rows of the round may not be written, although their ids are known.
"""

import datetime as dt
import logging
import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Set
from itertools import compress

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from google.api_core.exceptions import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from google.auth.exceptions import GoogleAuthError

from command import signals
from command.memory import give_back
from command.text import first_line
from command.usage import UsageError
from pipeline import left_ledger, metrics
from pipeline.away import UnreachableError
from pipeline.bigquery.waiting_tables import WAITING
from pipeline.core.decoding import Message, coercer_of, dataset_of
from pipeline.files.raw_archive import archive_of
from pipeline.graph import Plan, build
from pipeline.left_ledger import LEFT_SECONDS
from pipeline.options import Limits
from pipeline.plans import plan_of
from pipeline.round_runner import RoundRunner
from pipeline.steps import dedup
from pipeline.steps.ledger import COUNTS, counted, counts_line
from pipeline.steps.set_aside import ROUND
from pipeline.steps.sources import ReadRound, current_round
from pipeline.steps.write_rows import LEDGER
from pipeline.subscription import (
    EMPTY_SECONDS,
    MAX_MESSAGES,
    PUBSUB_ERRORS,
    Pulled,
    Subscription,
    cannot_be_read,
)

# What so many messages took is given back to the machine.
LARGE_PULL = 500
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 60.0
# How long messages whose table waits stay in Pub/Sub.
MIN_LEFT_SECONDS, MAX_LEFT_SECONDS = EMPTY_SECONDS + 8.0, 120.0
# Errors that a user must fix, when one is the first answer of Pub/Sub.
MISTAKES = (
    NotFound,
    PermissionDenied,
    Unauthenticated,
    InvalidArgument,
    FailedPrecondition,
)

log = logging.getLogger(__name__)


class RoundFailedError(Exception):
    """A round that was not committed; its messages come again."""


class Drain:
    """One drain, until it ends.

    Attributes:
        counts: What became of all messages and records, over all rounds.
        stopping: Set it to end the drain after the current round.

    Args:
        subscription: What to read.
        work: Runs the graph over messages, and returns its counts.
        limits: When to end.
    """

    def __init__(
        self,
        subscription: Subscription,
        work: Callable[[list[Message]], dict[str, int]],
        limits: Limits,
    ) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        self.stopping = threading.Event()
        self._subscription = subscription
        self._work = work
        self._limits = limits
        self._pulled = 0
        self._started = time.monotonic()

    def once(self) -> None:
        """Reads everything that was published before it began.

        Raises:
            UsageError: The subscription cannot be read at all.
            RoundFailedError: A round was not committed.
        """
        self._until_caught_up(dt.datetime.now(dt.UTC))

    def repeat(self, every_seconds: float, idle: Callable[[], None]) -> bool:
        """Drains again at an interval, until it is stopped.

        Args:
            every_seconds: The interval, from start to start.
            idle: What to do between two drains.

        Returns:
            Whether the last drain succeeded.

        Raises:
            UsageError: The subscription cannot be read at all.
        """
        pause, succeeded = FIRST_PAUSE_SECONDS, True
        while not self._ended():
            began = time.monotonic()
            # Messages since the last drain are the usual ones; older are a backlog.
            usual = dt.timedelta(seconds=2 * every_seconds)
            try:
                self._until_caught_up(dt.datetime.now(dt.UTC) - usual)
                metrics.caught_up(len(WAITING.tables()))
                idle()
                pause, next_start = FIRST_PAUSE_SECONDS, began + every_seconds
                succeeded = True
            except RoundFailedError as error:
                metrics.METRICS.add("round_failures")
                log.error("%s; trying again in %g s", error, pause)  # noqa: TRY400
                next_start = time.monotonic() + pause
                pause, succeeded = min(2 * pause, MAX_PAUSE_SECONDS), False
            self._wait_until(next_start)
        return succeeded

    def _until_caught_up(self, since: dt.datetime) -> None:
        """Runs rounds until nothing is left that was published before `since`.

        A feed never pauses: a wait until nothing comes might never end.
        """
        while not self._ended():
            pulled = self._pull()
            if not pulled.messages:
                return
            self._run_rounds(pulled)
            if not pulled.full and pulled.oldest and pulled.oldest >= since:
                return

    def _wait_until(self, moment: float) -> None:
        if self._limits.max_seconds is not None:
            moment = min(moment, self._started + self._limits.max_seconds)
        self.stopping.wait(max(0.0, moment - time.monotonic()))

    def _ended(self) -> bool:
        most = self._limits.max_messages
        return self._must_end() or (most is not None and self._pulled >= most)

    def _must_end(self) -> bool:
        """Whether no round may begin any more, even of messages that are pulled."""
        seconds = self._limits.max_seconds
        return self.stopping.is_set() or (
            seconds is not None and time.monotonic() - self._started >= seconds
        )

    def _pull(self) -> Pulled:
        most = self._limits.max_messages
        left = MAX_MESSAGES if most is None else min(MAX_MESSAGES, most - self._pulled)
        try:
            pulled = self._subscription.pull(left, self._ended)
        except PUBSUB_ERRORS as error:
            text = cannot_be_read(self._subscription.name, error)
            if isinstance(error, MISTAKES) and not self._subscription.reached:
                raise UsageError(text) from None
            raise RoundFailedError(text) from None
        self._pulled += len(pulled.messages)
        return pulled

    def _run_rounds(self, pulled: Pulled) -> None:
        """Runs what was pulled; releases the rest when a round fails or it must end."""
        left = list(pulled.rounds())
        try:
            self._round(left.pop(0))
            while left and not self._must_end():
                self._round(left.pop(0))
        finally:
            for one in left:
                self._pulled -= len(one.messages)
                self._subscription.release(one.ack_ids)
        if len(pulled.messages) >= LARGE_PULL:
            give_back()

    def _without(self, pulled: Pulled, is_left: Callable[[Message], bool]) -> Pulled:
        """Leaves messages in Pub/Sub for a later round; returns the others."""
        left = [is_left(message) for message in pulled.messages]
        if not any(left):
            return pulled
        messages, ack_ids = pulled.messages, pulled.ack_ids
        later = list(compress(zip(messages, ack_ids, strict=True), left))
        pause = max(map(_pause_seconds, (message for message, _ in later)))
        self._subscription.postpone([ack_id for _, ack_id in later], pause)
        log.info("%d messages are left in Pub/Sub for %.0f s", len(later), pause)
        keeps = [not one for one in left]
        return pulled._replace(
            messages=list(compress(messages, keeps)),
            ack_ids=list(compress(ack_ids, keeps)),
        )

    def _round(self, pulled: Pulled) -> None:
        pulled = self._without(pulled, _must_wait)
        if not pulled.messages:
            return
        began = time.monotonic()
        count = len(pulled.messages)
        try:
            counts = self._work(pulled.messages)
        except Exception as error:  # noqa: BLE001 - any step of Beam's run raises it
            self._pulled -= count
            why = cause(error)
            dedup.forget()
            self._subscription.release(pulled.ack_ids)
            raise RoundFailedError(
                f"a round of {count:,} messages failed; the messages come again: {why}"
            ) from None
        self.counts.update(counts)
        seconds = time.monotonic() - began
        metrics.committed(counts, seconds)
        log.info("%s; %.1f s", counts_line(counts), seconds)
        pulled = self._without(pulled, lambda message: _is_of(message, ROUND.datasets))
        try:
            self._subscription.acknowledge(pulled.ack_ids)
        except PUBSUB_ERRORS as error:
            raise RoundFailedError(
                f"{count:,} messages are written, but cannot be acknowledged; they "
                f"come again as duplicates: {first_line(error)}"
            ) from None


def plan_when_reachable(
    options: PipelineOptions, folder: str, limits: Limits
) -> Plan | None:
    """The plan of a drain; a repeated one waits for a BigQuery that does not answer.

    Args:
        options: The options.
        folder: For files of rows until they are loaded.
        limits: When it ends.

    Returns:
        None if it was stopped meanwhile, or its time is up.

    Raises:
        UsageError: The user must correct something first.
    """
    stopping, pause = threading.Event(), FIRST_PAUSE_SECONDS
    until = time.monotonic() + (limits.max_seconds or math.inf)
    with signals.stopping(lambda _: stopping.set()):
        while not stopping.is_set() and time.monotonic() < until:
            try:
                plan = plan_of(options, folder)
            except UnreachableError as error:
                if limits.every_seconds is None:
                    raise
                log.error("%s; trying again in %g s", error, pause)  # noqa: TRY400
            else:
                return None if stopping.is_set() else plan
            stopping.wait(min(pause, until - time.monotonic()))
            pause = min(2 * pause, MAX_PAUSE_SECONDS)
    return None


def run(options: PipelineOptions, plan: Plan, name: str, limits: Limits) -> int:
    """Drains a subscription.

    Args:
        options: Those of Beam.
        plan: The graph; its source is not used.
        name: `projects/P/subscriptions/S`.
        limits: When to end.

    Returns:
        The exit code: 0, or 1 when the last round failed.

    Raises:
        UsageError: The subscription cannot be read at all.
    """
    try:
        subscription = Subscription(name)
    except GoogleAuthError as error:
        raise UsageError(cannot_be_read(name, error)) from None
    with subscription:
        began = time.monotonic()
        drain = Drain(subscription, graph_runner(options, plan), limits)
        _stop_on_signals(drain.stopping)
        log.info("draining %s", name)
        # Our one line names the error and its step; Beam would add a traceback.
        logging.getLogger("apache_beam.runners").setLevel(logging.CRITICAL)
        code = _drained(drain, plan, limits)
        until = time.monotonic() + LEFT_SECONDS
        if limits.max_seconds is not None:
            until = min(until, began + limits.max_seconds)
        rows = left_ledger.write(plan.inserter, drain.stopping, until)
    print(counts_line(drain.counts))
    return _left(code, rows)


def _left(code: int, ledger_rows: int) -> int:
    """Reports what a drain leaves behind; the exit code is 1 then."""
    tables = [table for table in WAITING.tables() if table != LEDGER]
    if tables:
        log.error(
            "messages for %s are left in Pub/Sub: the next drain reads them",
            ", ".join(tables),
        )
    if ledger_rows:
        log.error(
            "%d rows of iris_ledger could not be written: they are in the lines above, "
            "for `bq insert` (docs/operations.md#a-table-accepts-no-rows)",
            ledger_rows,
        )
    return 1 if tables or ledger_rows else code


def _drained(drain: Drain, plan: Plan, limits: Limits) -> int:
    archive = archive_of(plan.archive_prefix) if plan.archive_prefix else None
    if limits.every_seconds is not None:
        idle = archive.merge_when_due if archive else lambda: None
        return 0 if drain.repeat(limits.every_seconds, idle) else 1
    try:
        drain.once()
    except RoundFailedError as error:
        log.error("%s", error)  # noqa: TRY400 - one line says it
        return 1
    if archive and not drain.stopping.is_set():
        archive.merge(quiet_seconds=0)
    return 0


def _stop_on_signals(stopping: threading.Event) -> None:
    def stop(_number: signal.Signals) -> None:
        stopping.set()
        log.info("finishing the current round; a second signal ends at once")

    signals.on_stop(stop)


def graph_runner(
    options: PipelineOptions, plan: Plan
) -> Callable[[list[Message]], dict[str, int]]:
    """A function that runs the graph over the messages of a round.

    The graph is built and translated once: either takes as long as running it over few
    messages.
    """
    runner = RoundRunner()
    pipeline = beam.Pipeline(runner, options)
    build(pipeline, plan._replace(source=ReadRound()))
    has_failed = False

    def work(messages: list[Message]) -> dict[str, int]:
        nonlocal has_failed
        ROUND.clear()
        if has_failed and plan.archive_prefix:
            # A round that cannot be archived would write its rows at each attempt.
            archive_of(plan.archive_prefix).check()
        has_failed = True
        with current_round(messages):
            result = runner.run_round(pipeline)
            result.wait_until_finish()
        has_failed = False
        counts = Counter(counted(result))
        counts.subtract(ROUND.counts)
        return dict(counts)

    return work


def _table_of(message: Message) -> str | None:
    coercer = coercer_of(dataset_of(message))
    return coercer.dataset.table if coercer else None


def _must_wait(message: Message) -> bool:
    """Whether a message's table waits, and is not to be tried yet."""
    table = _table_of(message)
    return table is not None and table in WAITING and not WAITING.is_due(table)


def _is_of(message: Message, datasets: Set[str]) -> bool:
    if not datasets:
        return False
    dataset = dataset_of(message)
    coercer = coercer_of(dataset)
    return dataset in datasets or (
        coercer is not None and coercer.dataset.name in datasets
    )


def _pause_seconds(message: Message) -> float:
    """How long a message stays in Pub/Sub: longer than it takes to find it empty.

    Not much longer, as Pub/Sub may give a message up after some dozen deliveries.
    """
    table = _table_of(message)
    waited = WAITING.waited_seconds(table) if table else 0.0
    return min(max(waited / 2, MIN_LEFT_SECONDS), MAX_LEFT_SECONDS)


def cause(error: Exception) -> str:
    """What a step raised, without the traceback that Beam puts before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]
