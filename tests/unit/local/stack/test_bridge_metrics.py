"""The bridge's metrics, as the stack reads them."""

from bridge.metrics import Metrics
from local.stack.monitor import Published, read_metrics


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


def test_what_each_process_of_the_bridge_has_published_is_added_up():
    published = Published()
    for count, process in ((5, 100.0), (7, 100.0), (0, 200.0), (4, 200.0)):
        published.see(count, process)
    assert published.count == 11


def test_what_the_bridge_says_at_its_end_is_of_the_same_process():
    published = Published()
    published.see(7, 100.0)
    published.see(9, None)
    assert published.count == 9


def test_a_bridge_that_was_killed_says_nothing_at_its_end():
    published = Published()
    published.see(7, 100.0)
    published.see(0, None)
    assert published.count == 7
