"""`python -m local pipeline`: the pipeline on a DirectRunner tuned for one machine.

Beam's own Pub/Sub source for the DirectRunner pulls ten messages at a time, waits 30 s
when there are none, and its channel fails at 4 MB. It reads 2,000 messages a second at
most, and none at all if ten messages have 1 MB each. Here a pull returns up to some
thousand messages, waits one second, and may have any size.

That source acknowledges before anything is processed. So SIGTERM first stops pulling
and waits until every message pulled is in its table; a kill can lose messages in
flight.
"""

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
from pipeline.bigquery.inserts import Rejected, Tables
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
# After SIGTERM, for messages in flight: a thousand take a few seconds.
FINISH_SECONDS = 30.0

log = logging.getLogger(__name__)


class InFlight:
    """Counts the messages pulled, and their records that are in a table."""

    def __init__(self) -> None:
        self.pulled = 0
        self.counted: Counter[str] = Counter()
        self.stopping = False
        self.ended = False
        self._changed = threading.Condition()

    def pull(self, messages: int) -> None:
        """Counts messages pulled from Pub/Sub."""
        with self._changed:
            self.pulled += messages

    def written(self, tables: Tables) -> None:
        """Counts rows that BigQuery has accepted."""
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
        """Waits for `is_empty`; returns whether it became true in time."""
        with self._changed:
            return self._changed.wait_for(self.is_empty, timeout=seconds)


IN_FLIGHT = InFlight()
_insert: list[Inserter] = []


def insert_counted(tables: Tables) -> dict[str, list[Rejected]]:
    """The pipeline's own inserter, with what it wrote counted in `IN_FLIGHT`."""
    answers = _insert[0](tables)
    IN_FLIGHT.written(tables)
    return answers


class WideSubscriberClient(pubsub_v1.SubscriberClient):
    """The subscriber client of Beam's DirectRunner source, with a wider pull."""

    def __init__(self) -> None:
        super().__init__(transport=emulator_transport())

    def pull(self, *, subscription: str, **_narrow: Any) -> types.PullResponse:
        """Pulls the messages that wait, up to the limits; the response may be empty."""
        pulled = types.PullResponse.pb()()
        if IN_FLIGHT.stopping:
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
        """Acknowledges in requests that Pub/Sub accepts; then they are in flight."""
        for part in request_parts(ack_ids):
            # Counted first: a message acknowledged and not counted could be lost.
            IN_FLIGHT.pull(len(part))
            try:
                super().acknowledge(subscription=subscription, ack_ids=part)
            except GoogleAPICallError:
                IN_FLIGHT.pull(-len(part))
                raise

    def _pull_once(self, subscription: str, *, wait: bool) -> Any:
        """One response of Pub/Sub, as a protocol buffer."""
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
            log.warning("Pub/Sub cannot be reached: %s", error)
            time.sleep(PULL_TIMEOUT_SECONDS)  # the next pull is the retry
            return types.PullResponse.pb()()


def configure(parser: argparse.ArgumentParser) -> None:
    """Passes all options on to `python -m pipeline`."""
    parser.epilog = "All options are those of `python -m pipeline`."
    parser.set_defaults(rest=[])


def run(options: argparse.Namespace) -> int:
    """Runs the pipeline until SIGTERM."""
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
    print(json.dumps({"ready": True}), flush=True)
    stop.wait()
    return _finish(failed)


def _run_pipeline(
    options: Any, plan: Any, stop: threading.Event, failed: list[BaseException]
) -> None:
    # Its one line names the error and its step; Beam would add tracebacks.
    logging.getLogger("apache_beam.runners").setLevel(logging.CRITICAL)
    try:
        command_line.run(options, plan)
        IN_FLIGHT.ended = True
    except Exception as error:  # noqa: BLE001 - logged, and the exit code is 1
        log.error("the pipeline failed: %s", cause(error))  # noqa: TRY400 - one line
        failed.append(error)
    finally:
        stop.set()


def _finish(failed: list[BaseException]) -> int:
    """Ends the process, as the runner cannot end a streaming pipeline."""
    IN_FLIGHT.stopping = True
    emptied = not failed and IN_FLIGHT.wait_until_empty(FINISH_SECONDS)
    if not failed and not emptied:
        log.error("stopped with messages in flight: %s", dict(IN_FLIGHT.counted))
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0 if emptied else 1)
