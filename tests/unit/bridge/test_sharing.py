"""Another client shows in numbers that never come, and in nothing else."""

import itertools
import random
import re
from collections.abc import Iterable, Sequence

import pytest

from bridge import sharing
from bridge.sharing import PROOF_MESSAGES, SharingDetector

LOCK_SECONDS = 60.0
GRACE_SECONDS = sharing.GRACE_LOCKS * LOCK_SECONDS


def hear(
    detector: SharingDetector,
    numbers: Iterable[int],
    seconds: float = 1.0,
    batch: int = 1,
) -> SharingDetector:
    """One receive call for each `batch` numbers, as long as given."""
    remaining = iter(numbers)
    while part := list(itertools.islice(remaining, batch)):
        detector.received(part, seconds, LOCK_SECONDS)
    return detector


def gapless() -> tuple[SharingDetector, int]:
    """A detector after the proof, and the next number."""
    end = 5_000 + PROOF_MESSAGES
    return hear(SharingDetector(), range(5_000, end)), end


def every_other(start: int, count: int) -> Sequence[int]:
    return range(start, start + 2 * count, 2)


def test_half_of_the_messages_gone_is_somebody_else() -> None:
    detector, start = gapless()
    hear(detector, every_other(start, 500))
    assert detector.is_shared
    counts = re.search(r"\((\d+) of the latest (\d+)\)", detector.warning())
    assert counts
    assert int(counts[1]) >= 0.1 * int(counts[2]) >= 100


def test_a_small_share_is_somebody_else_too() -> None:
    detector, start = gapless()
    hear(detector, [n for n in range(start, start + 2_000) if n % 5])
    assert detector.is_shared


def test_it_is_over_when_all_messages_come_again() -> None:
    detector, start = gapless()
    hear(detector, every_other(start, 500))
    hear(detector, range(start + 1_000, start + 2_200))
    assert not detector.is_shared


def test_what_comes_late_is_not_missing() -> None:
    detector, start = gapless()
    late = list(range(start, start + 200))
    hear(detector, late[::2], seconds=0.4 * GRACE_SECONDS / 100)
    hear(detector, late[1::2], seconds=0.5 * GRACE_SECONDS / 100)
    hear(detector, range(start + 200, start + 1_000))
    assert detector.latest.missing == 0


def test_time_in_which_nothing_was_asked_for_does_not_count() -> None:
    detector, start = gapless()
    hear(detector, every_other(start, 400), seconds=0.0)  # long outages in between
    assert not detector.is_shared


@pytest.mark.parametrize("width", [1, 800_000])
def test_a_hole_is_one_hole_however_wide(width: int) -> None:
    detector, start = gapless()
    hear(detector, range(start + width, start + width + 500))
    assert not detector.is_shared


def test_a_queue_with_gaps_of_its_own_proves_nothing() -> None:
    seed = random.Random(7)
    for kept in (0.3, 0.6, 0.9):
        numbers = [n for n in range(20_000) if seed.random() < kept]
        detector = hear(SharingDetector(), numbers)
        assert not detector.is_gapless
        assert not detector.is_shared


def test_a_queue_with_few_gaps_of_its_own_may_pass_for_gapless_but_not_for_shared() -> (
    None
):
    seed = random.Random(7)
    detector = hear(
        SharingDetector(), [n for n in range(60_000) if seed.random() < 0.998]
    )
    assert detector.is_gapless
    assert not detector.is_shared


def test_a_backlog_of_such_a_queue_is_no_proof_before_its_gaps_are_old() -> None:
    detector = hear(SharingDetector(), every_other(0, 5_000), seconds=0.05, batch=500)
    assert not detector.is_gapless


def test_what_was_proved_before_a_restart_counts() -> None:
    detector = hear(SharingDetector(is_gapless=True), every_other(1, 500))
    assert detector.is_shared


def test_two_that_overlap_at_a_deployment_say_nothing() -> None:
    detector = SharingDetector(is_gapless=True)
    for number in [*every_other(0, 30), *range(60, 1_500)]:
        hear(detector, [number])
        assert not detector.is_shared


def test_redeliveries_count_once() -> None:
    detector, start = gapless()
    for _ in range(3):
        hear(detector, range(start - 50, start))
    hear(detector, range(start, start + 300))
    assert detector.latest.missing == 0


def test_a_restart_at_which_older_messages_come_later_says_nothing() -> None:
    detector = SharingDetector(is_gapless=True)
    hear(detector, range(600, 900))  # 100 to 600 were in flight in the killed one
    hear(detector, range(100, 600))
    hear(detector, range(900, 1_500))
    assert not detector.is_shared
    assert detector.latest.missing == 0


def test_a_clock_that_is_wrong_by_more_than_a_lock_says_nothing() -> None:
    detector = SharingDetector(is_gapless=True)
    for number in every_other(0, 500):
        detector.received([number], 1.0, -5.0)
    assert not detector.is_shared


def test_memory_is_bounded() -> None:
    detector = SharingDetector()
    hear(detector, every_other(0, 3 * sharing.MAX_HOLES), seconds=0.0, batch=500)
    assert len(detector.holes) <= sharing.MAX_HOLES
