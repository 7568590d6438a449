"""A quantity as a user types it."""

import argparse
import contextlib
import math


def positive(text: str) -> float:
    """The number above 0 that a text says.

    Raises:
        argparse.ArgumentTypeError: It says none.
    """
    with contextlib.suppress(ValueError):
        if 0 < (number := float(text)) < math.inf:
            return number
    raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
