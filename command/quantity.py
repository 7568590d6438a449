"""Quantity: a number as a user types it, as types of argparse options."""

import argparse
import math
from collections.abc import Callable


def positive(text: str) -> float:
    """The number in a text, above 0.

    Raises:
        argparse.ArgumentTypeError: The text is not such a number.
    """
    if not 0 < (number := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def whole(text: str) -> int:
    """The whole number in a text, above 0.

    Raises:
        argparse.ArgumentTypeError: The text is not such a number.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def between(
    least: float, most: float, kind: Callable[[str], float] = float
) -> Callable[[str], float]:
    """A type of argparse options: a number within bounds, both included."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not between {least:g} and {most:g}"
            )
        return value

    return parse


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
