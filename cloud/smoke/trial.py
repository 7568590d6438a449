"""The trial: publishes the messages of a run, waits for them, and judges what came."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

from google.cloud import bigquery

from cloud.place import Place
from cloud.smoke import arrivals, cleaning, ledger, queries, views
from cloud.smoke.arrivals import Arrived
from cloud.smoke.drain import LocalDrain
from cloud.smoke.findings import Finding, Verdict, failed, listed, ok, unknown
from cloud.smoke.messages import Run
from cloud.smoke.pubsub import Pubsub
from command.text import first_line
from pipeline.registry import Registry
from pipeline.subscription import PUBSUB_ERRORS

# Each look reads 10 MB of each table at the least, as BigQuery counts it.
POLL_SECONDS = 5.0
# Where the rows are, the ledger follows within the round or the bundle.
LEDGER_SECONDS = 120.0
# Without these, messages would become nothing, or dead letters.
CONDITIONS = ("topic", "subscription", "tables", "columns")

T = TypeVar("T")


@dataclass(slots=True)
class Trial:
    """One trial of a deployment.

    Attributes:
        client: The BigQuery client.
        place: The deployment.
        registry: What is known of every dataset.
        run: What is published.
        timeout_seconds: How long rows are waited for.
        run_drain: Whether a drain is run here.
        is_published: Whether messages may be under way.
        seconds: From publishing until the first row and until everything was seen.
    """

    client: bigquery.Client
    place: Place
    registry: Registry
    run: Run
    timeout_seconds: float
    run_drain: bool = False
    is_published: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    _told: str = ""

    def findings(self, pubsub: Pubsub, before: Sequence[Finding]) -> Iterator[Finding]:
        """What becomes of the messages.

        Args:
            pubsub: Where they are published.
            before: What was found before; nothing is published where that cannot work.
        """
        blocked = [
            finding.name
            for finding in before
            if finding.name in CONDITIONS and finding.verdict is Verdict.FAILED
        ]
        if blocked:
            yield failed(
                "publish",
                f"nothing was published, see {listed(blocked)}",
                "mend that, then run this again",
            )
            return
        try:
            counts = ledger.sums(self.client, self.place, self.run)
        except queries.REFUSALS as error:
            yield failed("ledger", first_line(error), self.place.sql("apply"))
            return
        try:
            self.is_published = True
            pubsub.publish(self.run.messages, dt.datetime.now(dt.UTC))
        except PUBSUB_ERRORS as error:
            yield failed(
                "publish",
                first_line(error),
                f"gcloud pubsub topics add-iam-policy-binding {self.place.topic} "
                "--member user:YOU --role roles/pubsub.publisher "
                f"--project {self.place.project}",
            )
            return
        yield ok(
            "publish", f"{len(self.run.messages)} messages, marked {self.run.marker}"
        )
        yield from self._outcome(counts)

    def _outcome(self, before: ledger.Sums) -> Iterator[Finding]:
        began = time.monotonic()
        drain: AbstractContextManager[LocalDrain | None] = (
            LocalDrain(self.place) if self.run_drain else nullcontext()
        )
        with drain as running:
            try:
                found = self._wait_for_rows(began, running)
                after = self._wait_for_ledger(before, found)
                # A copy may have come after all else.
                found = self._look()
            except queries.REFUSALS as error:
                yield failed("rows", first_line(error), self.place.sql("check"))
                yield self._left()
                return
            if running and (failure := running.failure):
                yield failed("drain", failure, "mend that, then run this again")
        waited = f"after {self.seconds.get('all', time.monotonic() - began):.0f} s"
        yield from arrivals.findings(self.run, found, self.place, waited)
        yield from self._seen_in_views(found, ledger.growth(before, after))
        settled = arrivals.is_settled(self.run, found)
        yield ledger.finding(self.run, before, after, self.place, settled=settled)
        if {"first", "all"} <= self.seconds.keys():
            yield ok("time to rows", self._times())
        yield self._cleaned(settled=settled)

    def _look(self) -> Arrived:
        return arrivals.look(self.client, self.place, self.registry, self.run)

    def _wait_for_rows(self, began: float, drain: LocalDrain | None) -> Arrived:
        def look() -> Arrived:
            found = self._look()
            if found.copies:
                self.seconds.setdefault("first", time.monotonic() - began)
            return found

        def is_done(found: Arrived) -> bool:
            line = arrivals.progress(run, found)
            if line != self._told:
                self._told = line
                sys.stderr.write(f"{time.monotonic() - began:.0f} s: {line}\n")
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
            lambda: ledger.sums(self.client, self.place, self.run),
            lambda after: (
                not ledger.shortcomings(self.run, before, after)
                and ledger.has_duplicates(self.run, before, after)
            ),
            min(LEDGER_SECONDS, self.timeout_seconds) if is_settled else 0.0,
        )

    def _seen_in_views(self, found: Arrived, grown: ledger.Sums) -> Iterator[Finding]:
        unified, latest = (
            views.look(self.client, self.place, self.registry, self.run, suffix)
            for suffix in ("unified", "latest")
        )
        yield arrivals.duplicate(
            self.run,
            found,
            None if isinstance(unified, str) else unified,
            {name: counts["duplicates"] for name, counts in grown.items()},
            self.place,
        )
        held = views.held(self.client, self.place, self.run)
        yield from views.findings(found, unified, latest, held, self.place)

    def _times(self) -> str:
        return (
            f"the first row was seen after {self.seconds['first']:.1f} s, everything "
            f"after {self.seconds['all']:.1f} s (looked at every {POLL_SECONDS:g} s)"
        )

    def _left(self) -> Finding:
        return unknown(
            "cleaning",
            f"messages of {self.run.marker} may become rows yet",
            f"then: {self.place.smoke('--clean')}",
        )

    def _cleaned(self, *, settled: bool) -> Finding:
        outcome = cleaning.clean(
            self.client, self.place, self.registry, self.run.marker
        )
        return cleaning.finding(outcome, self.place, settled=settled)


def wait_until(
    look: Callable[[], T],
    is_done: Callable[[T], bool],
    seconds: float,
    has_ended: Callable[[], bool] = bool,
) -> T:
    """Looks again and again; gives what was seen last.

    Args:
        look: Gives what there is.
        is_done: Whether that is everything.
        seconds: For how long to look.
        has_ended: Whether nothing more can come: one more look is the last.
    """
    deadline = time.monotonic() + seconds
    while True:
        is_last = time.monotonic() >= deadline or has_ended()
        found = look()
        if is_done(found) or is_last:
            return found
        time.sleep(max(0.0, min(POLL_SECONDS, deadline - time.monotonic())))
