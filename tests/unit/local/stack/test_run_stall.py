"""A run without progress says so."""

from local.stack.run import STALL_SECONDS, Stall
from local.stack.summary import Counts


def test_a_stall_is_reported_once_in_its_time():
    stall = Stall()
    waiting = Counts(messages=1)
    assert not stall.lasts(waiting, 0.0)
    assert not stall.lasts(waiting, STALL_SECONDS - 1)
    assert stall.lasts(waiting, STALL_SECONDS)
    assert not stall.lasts(waiting, STALL_SECONDS + 1)
    assert stall.lasts(waiting, 2 * STALL_SECONDS)


def test_progress_ends_a_stall():
    stall = Stall()
    stall.lasts(Counts(messages=1), 0.0)
    assert not stall.lasts(Counts(messages=2), STALL_SECONDS)
