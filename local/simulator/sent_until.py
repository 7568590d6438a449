"""Until when a demo feed has sent everything: what a later feed goes on from.

A real queue keeps the messages of three days. The simulator's is in memory: without
this file, a second run would send the first one's messages again.
"""

import contextlib
import json
from collections import deque
from pathlib import Path

from local.data_folder import write_json


class SentUntil:
    """Follows the messages on the queue; a message counts once it is settled."""

    def __init__(self, file: Path | None, seed: int) -> None:
        """Remembers nothing if there is no file.

        Args:
            file: Where the instant is kept.
            seed: Of the market; another market begins again.
        """
        self._file = file
        self._seed = seed
        self._waiting: deque[tuple[int, int]] = deque()
        self._reached: int | None = None

    def read(self) -> int | None:
        """The instant at which an earlier feed stopped; None if there was none."""
        if self._file is None:
            return None
        try:
            saved = json.loads(self._file.read_text())
            return int(saved["sent_until"]) if saved["seed"] == self._seed else None
        except (OSError, ValueError, KeyError, TypeError):
            return None  # the feed begins again

    def add(self, number: int, published: int) -> None:
        """A message is on the queue, under a sequence number."""
        self._waiting.append((number, published))

    def save(self, oldest: int | None) -> None:
        """Writes how far everything is settled.

        Args:
            oldest: The lowest number on the queue; None if it is empty.
        """
        while self._waiting and (oldest is None or self._waiting[0][0] < oldest):
            self._reached = self._waiting.popleft()[1]
        if self._file is None or self._reached is None:
            return
        until = self._reached
        if self._waiting:
            # Others of the same second may still be there.
            until = min(until, self._waiting[0][1] - 1)
        # On a full disk the feed goes on; the next one will repeat a part.
        with contextlib.suppress(OSError):
            write_json(self._file, {"sent_until": until, "seed": self._seed})
