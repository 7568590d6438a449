"""The plan of a soak: which part fails when, how, and for how long.

It is a function of the seed. A part is ended less often than the stack would accept,
and none is ended for half of the time: what grows slowly needs a long life to be seen.
"""

import random
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from local.stack.restarts import MOST, WITHIN_SECONDS

PARTS = ("bridge", "pipeline", "Pub/Sub", "BigQuery")
# The simulator is IRIS, which keeps its queue: it is cut, closed, silent, not killed.
IRIS = "IRIS"
ENDS = ("kill", "term")
# The control's own words.
CUTS = ("drop", "detach", "close")
SILENCES = ("mute", "refuse")
FREEZE = "freeze"
LONGEST_SECONDS = 45.0
LEAST_GAP_SECONDS = 3.0
# The shares of the time between which no part is ended.
CALM = (0.4, 0.95)


class Fault(NamedTuple):
    """One fault.

    Attributes:
        at_seconds: When, from the start.
        lasts_seconds: How long; 0 for one that ends at once.
    """

    at_seconds: float
    part: str
    kind: str
    lasts_seconds: float = 0.0

    def __str__(self) -> str:
        lasts = f" for {self.lasts_seconds:.0f} s" if self.lasts_seconds else ""
        return f"{self.part}: {self.kind}{lasts}"


def plan(seed: int, seconds: float, every_seconds: float) -> Iterator[Fault]:
    """Yields the faults of a time, in their order.

    Args:
        seed: Equal ones make equal plans.
        seconds: How long the soak takes.
        every_seconds: The mean time from one fault to the next.
    """
    rng = random.Random(f"faults {seed}")
    ended: dict[str, deque[float]] = {part: deque() for part in PARTS}
    choices = [(part, kind) for part in PARTS for kind in (*ENDS, FREEZE)]
    choices += [(IRIS, kind) for kind in (*CUTS, *SILENCES, FREEZE)]
    at_seconds = 0.0
    while True:
        mean = max(every_seconds - LEAST_GAP_SECONDS, 0.1)
        at_seconds += LEAST_GAP_SECONDS + rng.expovariate(1 / mean)
        if at_seconds >= seconds:
            return
        part, kind = rng.choice(choices)
        calm = CALM[0] <= at_seconds / seconds < CALM[1]
        if kind in ENDS and (calm or not _may_end(ended[part], at_seconds)):
            kind = FREEZE
        lasts = kind == FREEZE or kind in SILENCES
        # Short ones are frequent; the longest are well below the patience of a run.
        lasts_seconds = LONGEST_SECONDS * rng.random() ** 2 + 1 if lasts else 0.0
        yield Fault(at_seconds, part, kind, lasts_seconds)


def _may_end(ended: deque[float], now: float) -> bool:
    """Whether a part may be ended once more; notes it."""
    # A restart comes up to 16 s and its start after the end: a margin.
    while ended and now - ended[0] > 2 * WITHIN_SECONDS:
        ended.popleft()
    if len(ended) >= MOST - 1 and now - ended[-(MOST - 1)] < WITHIN_SECONDS + 120:
        return False
    ended.append(now)
    return True
