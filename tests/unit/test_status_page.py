"""The page of metrics: each that it names is one that a process serves."""

import re
from datetime import date
from pathlib import Path

from bridge.metrics import COUNTERS, PREFIX, Metrics
from dashboard.server import METRICS as DASHBOARD
from local.pubsub.message_store import MessageStore
from local.pubsub.metrics import Metrics as PubsubMetrics
from pipeline.metrics import METRICS as PIPELINE

PAGE = (Path(__file__).parents[2] / "docs" / "status.md").read_text()
NAMED = sorted(set(re.findall(r"`(iris_\w+)`", PAGE)))


def served() -> set[str]:
    """The names of all samples."""
    bridge = Metrics()
    bridge.set_secret_expiry(date(2026, 5, 6))
    pubsub = PubsubMetrics(MessageStore(":memory:"))
    texts = [bridge.exposition().decode(), PIPELINE.exposition().decode()]
    found = set(re.findall(r"^# TYPE (\w+)", "\n".join(texts), re.MULTILINE))
    found |= {one.name for one in pubsub.registry.collect()}
    found |= {f"iris_dashboard_{name}" for group in DASHBOARD for name in group}
    return found | {f"{PREFIX}{name}_total" for name in COUNTERS}


def test_the_page_names_metrics():
    assert len(NAMED) > 15


def test_each_metric_of_the_page_is_served():
    assert [name for name in NAMED if name not in served()] == []
