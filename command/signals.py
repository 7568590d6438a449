"""Signals: the first one asks for an orderly end, the second one ends at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

# SIGTERM comes from orchestrators and `make down`, SIGINT from Ctrl-C.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

Action = Callable[[signal.Signals], object]


def end_at_once(number: signal.Signals) -> None:
    """Ends the process without cleaning up, with the exit code of the signal."""
    os._exit(128 + number)


def ignore(_number: signal.Signals) -> None:
    """Does nothing: for servers that end within a moment anyway."""


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """Ctrl-C inside ends the process, without a traceback: for the loading of modules.

    Otherwise Python raises in the midst of a library, and some of them make an
    ImportError of it, or go on.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        yield
        return
    with stopping(end_at_once, numbers=(signal.SIGINT,)):
        yield


class _Stop:
    def __init__(self, finish: Action, at_once: Action) -> None:
        self._finish, self._at_once = finish, at_once
        self._asked = False

    def __call__(self, number: int, _frame: object = None) -> None:
        if self._asked:
            self._at_once(signal.Signals(number))
            return
        self._asked = True
        self._finish(signal.Signals(number))


def on_stop(
    finish: Action,
    at_once: Action = end_at_once,
    numbers: tuple[signal.Signals, ...] = STOP_SIGNALS,
) -> dict[signal.Signals, object]:
    """Handles the signals of this process; for the main thread.

    Args:
        finish: Called for the first signal.
        at_once: Called for each further one.
        numbers: The signals.

    Returns:
        The handlers before, by signal.
    """
    stop = _Stop(finish, at_once)
    return {number: signal.signal(number, stop) for number in numbers}


@contextlib.contextmanager
def stopping(
    finish: Action,
    at_once: Action = end_at_once,
    numbers: tuple[signal.Signals, ...] = STOP_SIGNALS,
) -> Iterator[None]:
    """`on_stop` inside a `with`; afterwards the handlers are those from before."""
    before = on_stop(finish, at_once, numbers)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # as it returned it


def on_stop_in_loop(
    finish: Action,
    at_once: Action = end_at_once,
    numbers: tuple[signal.Signals, ...] = STOP_SIGNALS,
) -> None:
    """`on_stop` for the running event loop."""
    import asyncio  # 0.1 s, before `ending_at_once` could begin

    stop, loop = _Stop(finish, at_once), asyncio.get_running_loop()
    for number in numbers:
        loop.add_signal_handler(number, stop, number)
