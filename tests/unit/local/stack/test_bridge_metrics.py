"""The bridge's metrics, as the stack reads them."""

from bridge.metrics import Metrics
from local.stack.monitor import read_metrics


def test_the_counts_of_the_bridge_are_read_back():
    metrics = Metrics()
    metrics.add("published", 3)
    metrics.add("queue_dead_lettered")
    metrics.add_received("FREQ")
    metrics.in_flight.set(7)
    values = read_metrics(metrics.exposition())
    assert values["iris_bridge_published_total"] == 3
    assert values["iris_bridge_queue_dead_lettered_total"] == 1
    assert values["iris_bridge_in_hand"] == 7
