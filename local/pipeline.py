"""`python -m local pipeline`: the pipeline on a DirectRunner tuned for one machine.

Beam's own Pub/Sub source for the DirectRunner pulls ten messages at a time, waits 30 s
when there are none, and has a channel that breaks at 4 MB: 2,000 messages a second at
most, and none at all with ten messages of 1 MB. Here it takes what there is up to some
thousand, waits a second, and takes a response of any size.

That source acknowledges before anything is processed. So SIGTERM first stops the pull
and waits until everything pulled is in its table; a kill can lose what was in hand.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import threading
import time
from collections import Counter
from typing import Any

from google.api_core.exceptions import (
    DeadlineExceeded,
    GoogleAPICallError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from google.cloud import pubsub, pubsub_v1
from google.pubsub_v1 import types

from command import signals
from pipeline import command as command_line
from pipeline.bigquery.inserts import Insert, Rejected
from pipeline.drain import cause
from pipeline.options import parse
from pipeline.plans import plan_of
from pipeline.steps.ledger import COUNTS, OUTCOMES
from pipeline.steps.write_rows import Inserter
from pipeline.subscription import (
    MAX_BYTES,
    MAX_MESSAGES,
    MAX_REQUEST_MESSAGES,
    emulator_transport,
    request_parts,
)

# The runner pulls again as soon as a pull ends; a second keeps an idle loop cheap.
PULL_TIMEOUT_SECONDS = 1.0
# After SIGTERM, for what is in hand: a thousand messages take a few seconds.
FINISH_SECONDS = 30.0

_log = logging.getLogger(__name__)


class Hand:
    """What has been pulled, and how much of it is in its table."""

    def __init__(self) -> None:
        self.pulled = 0
        self.counted: Counter[str] = Counter()
        self.stopping = False
        self.ended = False
        self._changed = threading.Condition()

    def pull(self, messages: int) -> None:
        """Counts messages taken from Pub/Sub."""
        with self._changed:
            self.pulled += messages

    def written(self, tables: dict[str, list[Insert]]) -> None:
        """Counts rows that BigQuery has taken."""
        with self._changed:
            for table, rows in tables.items():
                if table == "iris_ledger":
                    for row in rows:
                        self.counted.update({n: row.values[n] for n in COUNTS})
                elif table in ("iris_dead_letters", "iris_unmapped"):
                    self.counted[f"{table} written"] += len(rows)
            self._changed.notify_all()

    def is_empty(self) -> bool:
        """Whether everything pulled has been accounted for, and written."""
        if self.ended:
            return True
        counted = self.counted
        return (
            counted["messages"] == self.pulled
            and counted["records"] == sum(counted[name] for name in OUTCOMES)
            and counted["dead_letters"] == counted["iris_dead_letters written"]
            and counted["unmapped"] == counted["iris_unmapped written"]
        )

    def wait_until_empty(self, seconds: float) -> bool:
        """Waits for `is_empty`; tells whether it came about in time."""
        with self._changed:
            return self._changed.wait_for(self.is_empty, timeout=seconds)


HAND = Hand()
_insert: list[Inserter] = []


def insert_counted(tables: dict[str, list[Insert]]) -> dict[str, list[Rejected]]:
    """The pipeline's own inserter, with what it wrote counted in `HAND`."""
    answers = _insert[0](tables)
    HAND.written(tables)
    return answers


class WideSubscriberClient(pubsub_v1.SubscriberClient):
    """The subscriber client of Beam's DirectRunner source, with a wider pull."""

    def __init__(self) -> None:
        super().__init__(transport=emulator_transport())

    def pull(self, *, subscription: str, **_narrow: Any) -> types.PullResponse:
        """Pulls what there is, up to the limits; nothing is an empty response."""
        pulled = types.PullResponse.pb()()
        if HAND.stopping:
            time.sleep(PULL_TIMEOUT_SECONDS)  # the runner would spin otherwise
            return types.PullResponse.wrap(pulled)
        while (
            len(pulled.received_messages) < MAX_MESSAGES
            and pulled.ByteSize() < MAX_BYTES
        ):
            more = self._pull_once(subscription, wait=not pulled.received_messages)
            if not more.received_messages:
                break
            pulled.MergeFrom(more)
        return types.PullResponse.wrap(pulled)

    def acknowledge(self, *, subscription: str, ack_ids: list[str]) -> None:
        """Acknowledges, in requests that Pub/Sub takes; they are in hand from here."""
        for part in request_parts(ack_ids):
            # Counted first: what is acknowledged and not counted could be left behind.
            HAND.pull(len(part))
            try:
                super().acknowledge(subscription=subscription, ack_ids=part)
            except GoogleAPICallError:
                HAND.pull(-len(part))
                raise

    def _pull_once(self, subscription: str, *, wait: bool) -> Any:
        """One response of Pub/Sub, as the protocol buffer that it is."""
        request = types.PullRequest(
            subscription=subscription,
            max_messages=MAX_REQUEST_MESSAGES,
            return_immediately=not wait,
        )
        try:
            response = super().pull(request, timeout=PULL_TIMEOUT_SECONDS, retry=None)
            return types.PullResponse.pb(response)
        except DeadlineExceeded:
            return types.PullResponse.pb()()
        except (NotFound, PermissionDenied, InvalidArgument):
            raise
        except GoogleAPICallError as error:
            _log.warning("Pub/Sub cannot be reached: %s", error)
            time.sleep(PULL_TIMEOUT_SECONDS)  # the next pull is the retry
            return types.PullResponse.pb()()


def configure(parser: argparse.ArgumentParser) -> None:
    """Takes the options of `python -m pipeline` as they are."""
    parser.epilog = "All options are those of `python -m pipeline`."
    parser.set_defaults(rest=[])


def run(options: argparse.Namespace) -> int:
    """Runs the pipeline until SIGTERM; 2 for a user's mistake."""
    command_line.log_to_stderr()
    # The default runner would first try to download the Prism binary.
    arguments = [*options.rest, "--runner=BundleBasedDirectRunner"]
    parsed = parse(arguments)
    plan = plan_of(parsed, spool="")
    _insert[:] = [plan.inserter]
    pubsub.SubscriberClient = WideSubscriberClient
    stop = threading.Event()
    signals.on_stop(lambda _: stop.set(), signals.ignore)
    failed: list[BaseException] = []
    pipeline = threading.Thread(
        target=_run_pipeline,
        args=(parsed, plan._replace(inserter=insert_counted), stop, failed),
        daemon=True,
    )
    pipeline.start()
    sys.stdout.write(json.dumps({"ready": True}) + "\n")
    sys.stdout.flush()
    stop.wait()
    return _finish(failed)


def _run_pipeline(
    options: Any, plan: Any, stop: threading.Event, failed: list[BaseException]
) -> None:
    # Its one line names the error and its step; Beam would add tracebacks.
    logging.getLogger("apache_beam.runners").setLevel(logging.CRITICAL)
    try:
        command_line.run(options, plan)
        HAND.ended = True
    except Exception as error:  # noqa: BLE001 - its log line and the exit code tell
        _log.error("the pipeline failed: %s", cause(error))
        failed.append(error)
    finally:
        stop.set()


def _finish(failed: list[BaseException]) -> int:
    """Ends the process, since the runner has no way to end a streaming pipeline."""
    HAND.stopping = True
    emptied = not failed and HAND.wait_until_empty(FINISH_SECONDS)
    if not failed and not emptied:
        _log.error("stopped with messages in hand: %s", dict(HAND.counted))
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0 if emptied else 1)
