"""How each part is, asked at its own address."""

import datetime as dt
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from bridge.notices import EXPIRY_NOTICE_DAYS
from local.pubsub.topics import SUBSCRIPTION
from local.stack.monitor import read_metrics
from sql.status.item import Item, State
from sql.status.tables import age_text

# They are on this machine; a frozen one answers nothing.
ANSWER_SECONDS = 3.0
# A statement may keep it from others.
BUSY_SECONDS = 15.0
# The loop reads every second, and a round of 5,000 messages takes some seconds.
STILL_SECONDS = 120.0
AWAY = "does not answer"
LOOK = "see its log in {}; `make run-local` starts a part again by itself"


def items_of(
    addresses: Mapping[str, str], logs: str, at: dt.datetime
) -> Iterator[Item]:
    """The items of the parts that a run or `make up` has started.

    Args:
        addresses: Where they are, by the name of their variable.
        logs: The folder of their logs, for the user.
        at: The time now, UTC.
    """
    advice = LOOK.format(logs)
    if url := addresses.get("IRIS_CONTROL_URL"):
        yield _simulator(url, advice)
    if url := addresses.get("BRIDGE_URL"):
        yield from _bridge(url, advice, at.date())
    if url := addresses.get("PUBSUB_METRICS_URL"):
        yield _pubsub(url, advice)
    if url := addresses.get("PIPELINE_METRICS_URL"):
        yield _pipeline(url, advice)
    if url := addresses.get("DASHBOARD_URL"):
        yield _dashboard(url)


def _simulator(url: str, advice: str) -> Item:
    try:
        stats = json.loads(_get(f"{url}/stats"))
    except OSError:
        return Item("simulator", State.FAIL, AWAY, advice)
    queue, sent = stats["queue"], sum(stats["sent"].values())
    says = f"{sent:,} messages sent, {queue['ready'] + queue['locked']:,} on the queue"
    return Item("simulator", State.OK, says, figures=dict(queue))


def _bridge(url: str, advice: str, today: dt.date) -> Iterator[Item]:
    try:
        report = json.loads(_get(f"{url}/healthz"))
        metrics = metrics_of(f"{url}/metrics")
    except OSError:
        yield Item("bridge", State.FAIL, AWAY, advice)
        return
    for name, queue in (report.get("queues") or {"": report}).items():
        yield queue_item(f"bridge {name}".rstrip(), queue, metrics)
        yield from secret_items(queue, today)


def queue_item(
    part: str, report: Mapping[str, Any], metrics: Mapping[str, float]
) -> Item:
    published = metrics.get("iris_bridge_published_total", 0)
    in_flight = metrics.get("iris_bridge_in_hand", 0)
    says = f"{published:,.0f} messages published, {in_flight:,.0f} in flight"
    if last := report["last_message"]:
        age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(last)
        says += f", the last message {age_text(age)} ago"
    if reason := report["reason"]:
        advice = report["advice"] or "see docs/operations.md#nothing-arrives"
        return Item(part, State.FAIL, f"{reason}; {says}", advice, dict(report))
    warnings = []
    if report["queue_shared"]:
        warnings.append("another client reads the queue")
    if report["dead_letters"]:
        warnings.append(f"the queue gave up {report['dead_letters']:,} messages")
    if seconds := report["clock_ahead_seconds"]:
        warnings.append(f"this clock is {seconds:,} s ahead of the queue's")
    if warnings:
        says = f"{'; '.join(warnings)}; {says}"
        advice = "see docs/live-feed.md and docs/operations.md"
        return Item(part, State.WARN, says, advice, dict(report))
    return Item(part, State.OK, says, figures=dict(report))


def secret_items(report: Mapping[str, Any], today: dt.date) -> Iterator[Item]:
    """When the client secret expires, if the bridge knows it."""
    if not (text := report["secret_expires"]):
        return
    days = (dt.date.fromisoformat(text) - today).days
    says = f"the IRIS client secret is valid for {days} days, until {text}"
    advice = "see docs/operations.md#credentials-expired"
    if days < 0:
        says = f"the IRIS client secret expired on {text}"
        yield Item("secret", State.FAIL, says, advice, {"days": days})
    elif days <= EXPIRY_NOTICE_DAYS:
        yield Item("secret", State.WARN, says, advice, {"days": days})
    else:
        yield Item("secret", State.OK, says, figures={"days": days})


def _pubsub(url: str, advice: str) -> Item:
    try:
        metrics = metrics_of(url)
    except OSError:
        return Item("Pub/Sub", State.FAIL, AWAY, advice)
    name = SUBSCRIPTION.rpartition("/")[2]
    count = metrics.get(f"iris_pubsub_backlog_messages {name}", 0.0)
    age = metrics.get(f"iris_pubsub_oldest_message_age_seconds {name}", 0.0)
    says = f"{count:,.0f} messages wait"
    if count:
        says += f", the oldest for {age_text(dt.timedelta(seconds=age))}"
    figures = {"backlog_messages": count, "oldest_seconds": age}
    if age > STILL_SECONDS:
        advice = "see docs/operations.md#lag-grows"
        return Item("Pub/Sub", State.WARN, says, advice, figures)
    return Item("Pub/Sub", State.OK, says, figures=figures)


def _pipeline(url: str, advice: str) -> Item:
    try:
        metrics = metrics_of(url)
    except OSError:
        return Item("pipeline", State.FAIL, AWAY, advice)

    def ago(name: str) -> float | None:
        at = metrics.get(f"iris_pipeline_{name}_timestamp_seconds", 0.0)
        return time.time() - at if at else None

    figures = {k: v for k, v in metrics.items() if k.startswith("iris_pipeline_")}
    round_, read = ago("last_round"), ago("last_read")
    says = "no round yet"
    if round_ is not None:
        took = metrics.get("iris_pipeline_last_round_seconds", 0.0)
        age = age_text(dt.timedelta(seconds=round_))
        says = f"last round {age} ago, in {took:.1f} s"
    if failures := metrics.get("iris_pipeline_round_failures_total", 0.0):
        says += f"; {failures:,.0f} rounds failed and were repeated"
    if tables := metrics.get("iris_pipeline_waiting_tables", 0.0):
        says = f"{tables:,.0f} tables accept no rows; {says}"
        advice = "see docs/operations.md#a-table-accepts-no-rows"
        return Item("pipeline", State.FAIL, says, advice, figures)
    latest = min((x for x in (round_, read) if x is not None), default=None)
    started = time.time() - metrics.get("process_start_time_seconds", 0.0)
    if (started if latest is None else latest) > STILL_SECONDS:
        says = f"nothing was read for {STILL_SECONDS:.0f} s; {says}"
        return Item("pipeline", State.FAIL, says, advice, figures)
    return Item("pipeline", State.OK, says, figures=figures)


def bigquery_item(host: str, log: str) -> Item:
    """How the local BigQuery is; its client would try for ten minutes to ask one."""
    try:
        metrics = metrics_of(f"{host}/metrics", BUSY_SECONDS)
    except OSError:
        return Item("BigQuery", State.FAIL, AWAY, LOOK.format(log))
    megabytes = metrics.get("process_resident_memory_bytes", 0.0) / 1e6
    says = f"{host}, {megabytes:,.0f} MB of memory"
    figures = {k: v for k, v in metrics.items() if k.startswith("iris_bigquery_")}
    return Item("BigQuery", State.OK, says, figures=figures)


def _dashboard(url: str) -> Item:
    try:
        _get(f"{url}/status")
    except OSError:
        advice = "`make dashboard` serves it; the feed goes on without it"
        return Item("dashboard", State.WARN, AWAY, advice)
    return Item("dashboard", State.OK, url, figures={"url": url})


def metrics_of(url: str, seconds: float = ANSWER_SECONDS) -> dict[str, float]:
    """The values of a page of metrics, as `read_metrics` returns them."""
    return read_metrics(_get(url, seconds))


def _get(url: str, seconds: float = ANSWER_SECONDS) -> bytes:
    """The body of an answer, also of one that says 503.

    Raises:
        OSError: There is no answer.
    """
    try:
        with urlopen(url, timeout=seconds) as answer:  # noqa: S310 - our own http
            body: bytes = answer.read()
    except HTTPError as answer:
        body = answer.read()
    return body
