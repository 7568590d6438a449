"""How waits are computed from the counts of the ledger."""

import pytest

from benchmarks.latency import Arrival, Look, waits
from benchmarks.watch import percentile

LOOKS = [
    Look(11.0, {}),
    Look(12.0, {"FREQ": 3}),
    Look(13.0, {"FREQ": 5, "MID": 1}),
]


def test_a_message_has_arrived_when_all_rows_up_to_its_own_are_counted():
    arrivals = {"FREQ": [Arrival(10.0, 3), Arrival(10.5, 2)], "MID": [Arrival(10.2, 1)]}
    assert waits(arrivals, LOOKS, 0, 20) == pytest.approx([2.0, 2.5, 2.8])


def test_messages_outside_the_interval_count_and_are_not_timed():
    arrivals = {"FREQ": [Arrival(9.0, 3), Arrival(10.5, 2)]}
    assert waits(arrivals, LOOKS, 10, 20) == [2.5]


def test_rows_that_the_ledger_lacks_are_an_error():
    with pytest.raises(RuntimeError, match="lacks rows of FREQ"):
        waits({"FREQ": [Arrival(10.0, 6)]}, LOOKS, 0, 20)


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100), (0.0, 1)]
)
def test_percentile_is_a_value_that_was_measured(share, value):
    assert percentile(list(range(100, 0, -1)), share) == value


def test_no_values_have_no_percentile():
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
