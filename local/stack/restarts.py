"""When a part that has ended is started again."""

from collections import Counter, deque

from command.usage import USER_ERROR

# A part that ends this often in this time does so for a reason that stays.
MOST = 5
WITHIN_SECONDS = 600.0


class Restarts:
    """The parts that have been started again.

    Attributes:
        counts: How often, by part.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._times: dict[str, deque[float]] = {}

    def pause_seconds(self, part: str, exit_code: int, now: float) -> float | None:
        """How long to wait before a part is started again: 1, 2, 4, 8, 16 s.

        Args:
            part: Its name.
            exit_code: With which it ended.
            now: Seconds on any clock that only goes forward.

        Returns:
            None if it must not be started again: the user must correct something, or it
            has ended too often.
        """
        times = self._times.setdefault(part, deque())
        while times and now - times[0] > WITHIN_SECONDS:
            times.popleft()
        if exit_code == USER_ERROR or len(times) >= MOST:
            return None
        times.append(now)
        self.counts[part] += 1
        return float(2 ** (len(times) - 1))
