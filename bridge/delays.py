"""Delays: how long to wait between attempts."""

from collections.abc import Iterator

FIRST_SECONDS = 0.2


def doubling_seconds(longest: float) -> Iterator[float]:
    """Doubling delays up to the longest, without end; in seconds."""
    seconds = FIRST_SECONDS
    while True:
        yield seconds
        seconds = min(2 * seconds, longest)
