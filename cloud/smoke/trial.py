"""The trial: publishes the messages of a run, waits for their rows, and checks them."""

import datetime as dt
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

from google.cloud import bigquery

from cloud.deployment import Deployment
from cloud.smoke import arrivals, cleaning, ledger, queries, views
from cloud.smoke.arrivals import Arrived
from cloud.smoke.drain import LocalDrain
from cloud.smoke.findings import Finding, Verdict, failed, ok, unknown
from cloud.smoke.messages import Run
from cloud.smoke.pubsub import Pubsub
from command.text import first_line, listed
from pipeline.registry import Registry
from pipeline.subscription import PUBSUB_ERRORS

# BigQuery counts each query as 10 MB of each table at least.
POLL_SECONDS = 5.0
# The ledger follows the rows within one round of a drain. In a stream it comes when the
# watermark has passed the minute.
LEDGER_SECONDS = 300.0
# If one of these failed, messages would be lost or become dead letters.
CONDITIONS = ("topic", "subscription", "tables", "columns")

T = TypeVar("T")


@dataclass(slots=True)
class Trial:
    """One trial of a deployment.

    Attributes:
        client: The BigQuery client.
        deployment: The deployment.
        registry: All datasets.
        run: The run: the messages that it publishes.
        timeout_seconds: The longest time to wait for rows.
        run_drain: Whether to run a drain on this machine.
        is_published: Whether messages may be in flight.
        seconds: From publishing to the `first` row, and to `all` of them.
    """

    client: bigquery.Client
    deployment: Deployment
    registry: Registry
    run: Run
    timeout_seconds: float
    run_drain: bool = False
    is_published: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    _progress: str = ""

    def findings(self, pubsub: Pubsub, before: Sequence[Finding]) -> Iterator[Finding]:
        """What becomes of the messages.

        Args:
            pubsub: Where they are published.
            before: Earlier findings; if one of `CONDITIONS` failed, nothing is
                published.
        """
        blocked = [
            finding.name
            for finding in before
            if finding.name in CONDITIONS and finding.verdict is Verdict.FAILED
        ]
        if blocked:
            yield failed(
                "publish",
                f"nothing was published, since this check failed: {listed(blocked)}",
                "fix that, then run this again",
            )
            return
        try:
            counts = ledger.sums(self.client, self.deployment, self.run)
        except queries.REFUSALS as error:
            yield failed("ledger", first_line(error), self.deployment.sql("apply"))
            return
        try:
            self.is_published = True
            pubsub.publish(self.run.messages, dt.datetime.now(dt.UTC))
        except PUBSUB_ERRORS as error:
            yield failed(
                "publish",
                first_line(error),
                self.deployment.gcloud(
                    f"pubsub topics add-iam-policy-binding {self.deployment.topic} "
                    "--member user:YOU --role roles/pubsub.publisher"
                ),
            )
            return
        yield ok(
            "publish", f"{len(self.run.messages)} messages, marked {self.run.marker}"
        )
        yield from self._outcome(counts)

    def _outcome(self, before: ledger.Sums) -> Iterator[Finding]:
        began = time.monotonic()
        drain: AbstractContextManager[LocalDrain | None] = (
            LocalDrain(self.deployment) if self.run_drain else nullcontext()
        )
        with drain as running:
            try:
                found = self._wait_for_rows(began, running)
                after = self._wait_for_ledger(before, found)
                # A copy may have arrived after everything else.
                found = self._look()
            except queries.REFUSALS as error:
                yield failed("rows", first_line(error), self.deployment.sql("check"))
                yield self._left()
                return
            if running and (failure := running.failure):
                yield failed("drain", failure, "fix that, then run this again")
        waited = f"after {self.seconds.get('all', time.monotonic() - began):.0f} s"
        yield from arrivals.findings(self.run, found, self.deployment, waited)
        yield from self._seen_in_views(found, ledger.growth(before, after))
        settled = arrivals.is_settled(self.run, found)
        yield ledger.finding(self.run, before, after, self.deployment, settled=settled)
        if {"first", "all"} <= self.seconds.keys():
            yield ok("time to rows", self._times())
        yield self._cleaned(settled=settled)

    def _look(self) -> Arrived:
        return arrivals.look(self.client, self.deployment, self.registry, self.run)

    def _wait_for_rows(self, began: float, drain: LocalDrain | None) -> Arrived:
        def look() -> Arrived:
            found = self._look()
            if found.copies:
                self.seconds.setdefault("first", time.monotonic() - began)
            return found

        def is_done(found: Arrived) -> bool:
            line = arrivals.progress(run, found)
            if line != self._progress:
                self._progress = line
                print(f"{time.monotonic() - began:.0f} s: {line}", file=sys.stderr)
            return arrivals.is_settled(run, found)

        run = self.run
        found = wait_until(
            look,
            is_done,
            self.timeout_seconds,
            lambda: drain is not None and drain.has_ended,
        )
        if arrivals.is_settled(run, found):
            self.seconds["all"] = time.monotonic() - began
        return found

    def _wait_for_ledger(self, before: ledger.Sums, found: Arrived) -> ledger.Sums:
        is_settled = arrivals.is_settled(self.run, found)
        return wait_until(
            lambda: ledger.sums(self.client, self.deployment, self.run),
            lambda after: (
                not ledger.shortcomings(self.run, before, after)
                and ledger.has_duplicates(self.run, before, after)
            ),
            min(LEDGER_SECONDS, self.timeout_seconds) if is_settled else 0.0,
        )

    def _seen_in_views(self, found: Arrived, grown: ledger.Sums) -> Iterator[Finding]:
        unified, latest = (
            views.look(self.client, self.deployment, self.registry, self.run, suffix)
            for suffix in ("unified", "latest")
        )
        yield arrivals.duplicate(
            self.run,
            found,
            None if isinstance(unified, str) else unified,
            {name: counts["duplicates"] for name, counts in grown.items()},
            self.deployment,
        )
        held = views.held(self.client, self.deployment, self.run)
        yield from views.findings(found, unified, latest, held, self.deployment)

    def _times(self) -> str:
        return (
            f"the first row was there after {self.seconds['first']:.1f} s, all of them "
            f"after {self.seconds['all']:.1f} s (checked every {POLL_SECONDS:g} s)"
        )

    def _left(self) -> Finding:
        return unknown(
            "cleaning",
            f"messages of {self.run.marker} may still become rows",
            f"after that: {self.deployment.smoke('--clean')}",
        )

    def _cleaned(self, *, settled: bool) -> Finding:
        outcome = cleaning.clean(
            self.client, self.deployment, self.registry, self.run.marker
        )
        return cleaning.finding(outcome, self.deployment, settled=settled)


def wait_until(
    look: Callable[[], T],
    is_done: Callable[[T], bool],
    seconds: float,
    has_ended: Callable[[], bool] = bool,
) -> T:
    """Looks every `POLL_SECONDS` until everything is there; returns the last look.

    Args:
        look: Returns what is there now.
        is_done: Whether that is everything.
        seconds: The longest time to wait.
        has_ended: Whether nothing more can arrive: then it looks once more.
    """
    deadline = time.monotonic() + seconds
    while True:
        is_last = time.monotonic() >= deadline or has_ended()
        found = look()
        if is_done(found) or is_last:
            return found
        time.sleep(max(0.0, min(POLL_SECONDS, deadline - time.monotonic())))
