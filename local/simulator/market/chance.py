"""Chance that is the same every time: numbers that depend on a seed and a name."""

from functools import lru_cache
from hashlib import blake2b

_LARGEST = 2.0**64


@lru_cache(maxsize=1000)
def draw(seed: int, name: str, number: int) -> float:
    """A number from 0 to 1 (exclusive)."""
    text = f"{seed}/{name}/{number}".encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") / _LARGEST


def happens(seed: int, name: str, number: int, share: float) -> bool:
    """Whether something that happens in this share of all cases happens in this one."""
    return draw(seed, name, number) < share


def between(seed: int, name: str, number: int, low: float, high: float) -> float:
    """A number from `low` to `high`."""
    return low + (high - low) * draw(seed, name, number)


def wander(seed: int, name: str, at: float, period_seconds: float) -> float:
    """A smooth curve between -1 and 1, with a new direction every period."""
    node, part = divmod(at / period_seconds, 1)
    first = draw(seed, name, int(node))
    second = draw(seed, name, int(node) + 1)
    weight = part * part * (3 - 2 * part)
    return 2 * (first + (second - first) * weight) - 1
