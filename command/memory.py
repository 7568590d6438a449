"""Memory that a process has freed, given back to the machine."""

import ctypes
import functools
from collections.abc import Callable


def give_back() -> None:
    """Gives back what is free between what is in use; glibc keeps it otherwise.

    It takes some milliseconds: for the pause after much work. Elsewhere than with
    glibc it does nothing.
    """
    _trim()(0)


@functools.cache
def _trim() -> Callable[[int], object]:
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return bool
    trim.argtypes = [ctypes.c_size_t]
    return trim
