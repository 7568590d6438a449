"""What a user types while a run shows its table: the search for a dataset."""

import contextlib
import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable
from typing import Any

ERASE = frozenset({8, 127})
CLEAR = frozenset({21, 27})  # Ctrl-U and Esc
LOOK_SECONDS = 0.2


class Keys:
    """Reads single keys of the terminal, in a thread, until it is closed.

    Ctrl-C stays a signal. Without a terminal, or in the background, it reads nothing.

    Args:
        changed: Called with the text whenever the user has changed it.
    """

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._text = ""
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._mode: Any = _keys_at_once()
        if self._mode:
            self._thread = threading.Thread(target=self._read, daemon=True)
            self._thread.start()

    @property
    def reads(self) -> bool:
        """Whether the user can type anything."""
        return self._thread is not None

    def close(self) -> None:
        """Leaves the terminal as it was."""
        self._closed.set()
        if self._thread and self._mode:
            self._thread.join()
            self._thread = None
            with contextlib.suppress(termios.error, OSError):  # it was closed
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._mode)

    def _read(self) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(OSError, ValueError):
                if select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
                    typed = os.read(sys.stdin.fileno(), 64)
                    if not typed:  # the terminal was closed
                        return
                    self._take(typed)

    def _take(self, typed: bytes) -> None:
        before = self._text
        self._text = edited(before, typed)
        if self._text != before:
            self._changed(self._text)


def edited(text: str, typed: bytes) -> str:
    """The text after some keys; names of datasets have letters, digits and `_`.

    Args:
        text: What was typed before.
        typed: Bytes of the terminal. Those of an arrow or function key begin with Esc.
    """
    if typed[0] in CLEAR:
        return ""
    for byte in typed:
        if byte in ERASE:
            text = text[:-1]
        elif chr(byte).isalnum() or chr(byte) == "_":
            text += chr(byte).upper()
    return text


def _keys_at_once() -> list[Any] | None:
    """Lets the terminal pass each key on at once; returns its mode from before."""
    try:
        if not sys.stdin.isatty() or os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():
            return None
        mode: list[Any] = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin, termios.TCSADRAIN)
    except (OSError, ValueError, termios.error):
        return None
    return mode
