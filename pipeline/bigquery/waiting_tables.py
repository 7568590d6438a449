"""Waiting tables: those for which BigQuery accepts no rows at the moment.

One of them costs only itself: its rows are set aside and tried again after a pause that
grows with the wait, at most `MAX_ATTEMPTS` such tables hold a thread at a time, and the
log names a table once, with what to do.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# As long as it has waited already, within these bounds.
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 2.0, 60.0
# A request that hangs holds its thread for a minute; a process has some more threads.
MAX_ATTEMPTS = 2
# A rollout of permissions or an outage of BigQuery ends within this time, as a rule.
# Then rows become dead letters, which `python -m bridge replay` publishes again.
PATIENCE_SECONDS = 3600.0

log = logging.getLogger(__name__)


class WaitingTables:
    """The waiting tables of one process; safe for several threads.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._attempts = threading.Semaphore(MAX_ATTEMPTS)

    def __contains__(self, table: str) -> bool:
        return table in self._since

    def clear(self) -> None:
        """Forgets which tables wait."""
        with self._lock:
            self._since.clear()
            self._due.clear()

    def tables(self) -> list[str]:
        """The names of those that wait."""
        return sorted(self._since)

    def failed(self, table: str, reason: str) -> None:
        """Notes that BigQuery accepted no rows for a table; the first time, says so."""
        with self._lock:
            now, is_new = self._clock(), table not in self._since
            since = self._since.setdefault(table, now)
            self._due[table] = now + _pause(now - since)
        if is_new:
            log.error(
                "rows of %s wait, other tables go on (%s): check that the table exists "
                "and that this account may write to it (`python -m sql apply`); rows "
                "that wait for %g minutes become dead letters",
                table, reason, PATIENCE_SECONDS / 60,
            )  # fmt: skip

    def succeeded(self, table: str) -> None:
        """Notes that BigQuery has accepted rows for a table."""
        with self._lock:
            since = self._since.pop(table, None)
            self._due.pop(table, None)
        if since is not None:
            log.warning(
                "rows of %s are written again, after %.0f s",
                table, self._clock() - since,
            )  # fmt: skip

    def is_due(self, table: str) -> bool:
        """Whether rows should be sent to a table now."""
        return self._clock() >= self._due.get(table, 0.0)

    def waited_seconds(self, table: str) -> float:
        """How long a table waits; 0 if it does not."""
        since = self._since.get(table)
        return 0.0 if since is None else self._clock() - since

    def is_over(self, table: str) -> bool:
        """Whether rows of a table should wait no longer."""
        return self.waited_seconds(table) >= PATIENCE_SECONDS

    def pause_seconds(self, table: str) -> float:
        """How long until rows should be sent to a table again."""
        return _pause(self.waited_seconds(table))

    @contextmanager
    def attempt(self, table: str) -> Iterator[bool]:
        """Yields whether rows may be sent: for a waiting table a few at a time may."""
        if table not in self:
            yield True
            return
        if not self._attempts.acquire(blocking=False):
            yield False
            return
        try:
            yield True
        finally:
            self._attempts.release()


def _pause(waited_seconds: float) -> float:
    return min(max(waited_seconds, MIN_PAUSE_SECONDS), MAX_PAUSE_SECONDS)


# Of this process.
WAITING = WaitingTables()
