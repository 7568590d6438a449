"""The memory of record ids."""

import random

from pipeline.steps.seen import SLICES, SeenIds

HOUR = 3600.0


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def ids(*numbers):
    return [f"{number:032x}" for number in numbers]


def test_an_id_is_new_once():
    seen = SeenIds(24 * HOUR, Clock())
    assert seen.add(ids(1, 2, 1)) == [True, True, False]
    assert seen.add(ids(2, 3)) == [False, True]


def test_an_id_is_remembered_for_the_whole_horizon_and_then_forgotten():
    clock = Clock()
    seen = SeenIds(24 * HOUR, clock)
    seen.add(ids(1))
    for hour in range(1, 24):
        clock.now = hour * HOUR
        seen.add(ids(1000 + hour))
    clock.now = 24 * HOUR - 1
    assert seen.add(ids(1)) == [False]
    clock.now = 25 * HOUR + 1
    assert seen.add(ids(1)) == [True]


def test_the_horizon_counts_from_the_first_time():
    clock = Clock()
    seen = SeenIds(24 * HOUR, clock)
    passed = []
    for hour in range(60):
        clock.now = hour * HOUR
        passed += [hour] if seen.add(ids(1)) == [True] else []
    # As Beam's own DeduplicatePerKey has it.
    assert passed == [0, 25, 50]


def test_memory_is_flat_over_time():
    clock = Clock()
    seen = SeenIds(24 * HOUR, clock)
    sizes = []
    for hour in range(24 * 5):
        clock.now = hour * HOUR
        seen.add(ids(*range(hour * 100, hour * 100 + 100)))
        sizes.append(len(seen))
    assert max(sizes) <= (SLICES + 1) * 100
    assert sizes[-1] == sizes[48]


def test_the_number_of_ids_is_bounded():
    clock = Clock()
    seen = SeenIds(24 * HOUR, clock, max_ids=250)
    for hour in range(10):
        clock.now = hour * HOUR
        seen.add(ids(*range(hour * 100, hour * 100 + 100)))
    assert len(seen) <= 350
    assert seen.add(ids(900)) == [False]


def test_the_number_of_ids_is_bounded_within_a_moment():
    """A backlog of a year is read within the time of one slice."""
    seen = SeenIds(24 * HOUR, Clock(), max_ids=2_400)
    for start in range(0, 10_000, 10):
        seen.add(ids(*range(start, start + 10)))
    assert len(seen) <= 2_600
    assert seen.add(ids(9_999, 9_999 - 2_000, 0)) == [False, False, True]


def test_ids_that_begin_alike_are_told_apart():
    seen, plain = SeenIds(24 * HOUR, Clock()), set()
    rng = random.Random(1)
    numbers = [7 << 112 | rng.getrandbits(112) for _ in range(500)]
    for number in rng.choices(numbers, k=2_000):
        assert seen.add(ids(number)) == [number not in plain]
        plain.add(number)
