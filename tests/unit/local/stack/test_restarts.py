"""A part that ends is started again, but not without end."""

from local.stack.restarts import MOST, WITHIN_SECONDS, Restarts


def test_each_restart_waits_twice_as_long_until_there_is_none():
    restarts = Restarts()
    pauses = [restarts.pause_seconds("bridge", -9, now) for now in range(MOST + 1)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, None]
    assert restarts.counts == {"bridge": MOST}


def test_ends_that_are_long_ago_do_not_count():
    restarts = Restarts()
    for now in range(MOST):
        restarts.pause_seconds("bridge", 1, now)
    assert restarts.pause_seconds("bridge", 1, MOST + WITHIN_SECONDS) == 1.0


def test_parts_are_counted_apart():
    restarts = Restarts()
    for now in range(MOST):
        restarts.pause_seconds("bridge", 1, now)
    assert restarts.pause_seconds("pipeline", 1, MOST) == 1.0


def test_a_part_with_a_users_mistake_is_not_started_again():
    restarts = Restarts()
    assert restarts.pause_seconds("bridge", 2, 0.0) is None
    assert not restarts.counts
