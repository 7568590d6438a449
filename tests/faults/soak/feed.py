"""The feed of a soak: puts one message after another on the queue, at a rate."""

import threading
import time

from tests.faults.soak.messages import Messages
from tests.faults.soak.stack import Control

# The simulator keeps its queue in memory: what a bridge of 1,500 messages a second
# takes in some seconds.
MOST_READY = 20_000
LOOK_SECONDS = 1.0
PAUSE_SECONDS = 0.5
# After a pause it catches up on this much of it.
MOST_LATE_SECONDS = 120.0


class Feed:
    """Sends in a thread of its own.

    Attributes:
        sent: Messages so far, from number 0 on.
        error: Why it has ended, if it did so by itself.
    """

    def __init__(self, messages: Messages, rate: float, control_url: str) -> None:
        """Sends nothing yet; message 0 is there already."""
        self.sent = 1
        self.error: Exception | None = None
        self._messages, self._rate = messages, rate
        self._url = control_url
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with Control(self._url) as control:
                self._send(control)
        except Exception as error:  # noqa: BLE001 - the main thread reports it
            self.error = error

    def _send(self, control: Control) -> None:
        due = looked = time.monotonic()
        while not self._stopped.is_set():
            if time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                while control.ask("GET", "/stats")["queue"]["ready"] > MOST_READY:
                    if self._stopped.wait(PAUSE_SECONDS):
                        return
            control.put(self._messages.message(self.sent))
            self.sent += 1
            late = time.monotonic() - MOST_LATE_SECONDS
            due = max(due + 1 / self._rate, late)
            self._stopped.wait(max(0.0, due - time.monotonic()))
