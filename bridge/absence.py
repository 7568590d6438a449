"""Absence: what expired on the queue while nobody read it.

IRIS keeps a message for three days. A bridge that was away for longer has lost what was
queued between the last message it read and three days ago. Only the reading as a whole
counts: a dataset that is published twice a year is silent, not lost.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.envelope import rfc3339
from bridge.progress import KEPT, Progress
from bridge.span import Span, seconds_text

log = logging.getLogger(__name__)

# The archive has its own clock, and what was in flight at a kill was queued a little
# before what was published last.
MARGIN = timedelta(minutes=10)


@dataclass
class Absence:
    """A time away that was too long.

    Attributes:
        expired: What is lost was queued in this span, at most.
        published: When the last message before it was queued, by dataset.
        ended: When reading began again.
        is_reported: Whether the log says so.
    """

    expired: Span
    published: dict[str, str]
    ended: datetime
    is_reported: bool = False

    def warning(self, oldest: datetime | None) -> str:
        """The text for the log, with the command that fetches what is lost.

        Args:
            oldest: When the oldest message left was queued; None if none was left.
        """
        end = self.ended if oldest is None else max(self.expired.end, oldest)
        start_text = seconds_text(self.expired.start - MARGIN)
        end_text = seconds_text(min(end + MARGIN, self.ended))
        return (
            f"the queue was read until {seconds_text(self.expired.start)}, and IRIS "
            f"keeps a message for {KEPT.days} days; messages expired unread, fetch "
            f"them with python -m bridge backfill --from {start_text} --to {end_text}"
        )

    def dataset_warning(self, dataset: str, enqueued: str) -> str | None:
        """The text for the first message of a dataset; None for its later ones.

        A message that was queued after the return is no evidence: the dataset may be a
        rare one.
        """
        before = self.published.pop(dataset, None)
        if before is None or enqueued >= rfc3339(self.ended):
            return None
        return (
            f"{dataset}: messages between {before} (last published) and {enqueued} "
            "(first after) may have expired"
        )


class AbsenceDetector:
    """Follows how a queue is read, and warns after an absence."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._absence: Absence | None = None
        self._may_be_empty = False

    def session_opened(self, now: datetime) -> None:
        """Notes a new session with the queue."""
        self._may_be_empty = True
        expired = self.progress.expired(now)
        if expired and not self._absence:
            published = dict(self.progress.published)
            self._absence = Absence(expired, published, now)

    def clock_is_ahead(self, now: datetime) -> None:
        """Judges an absence again that only a wrong clock has shown.

        Args:
            now: The time by the queue's clock.
        """
        if self._absence and not self._absence.is_reported:
            self._absence = None
            self.session_opened(now)

    def received(self, messages: Iterable[tuple[str, str]]) -> None:
        """Looks at a batch, `(dataset, enqueued time)` each, and warns if needed."""
        self._may_be_empty = True
        absence = self._absence
        if not absence:
            return
        batch = sorted(((time, name) for name, time in messages if time))
        if batch and not absence.is_reported:
            self._report(absence, datetime.fromisoformat(batch[0][0]))
        for enqueued, dataset in batch:
            if text := absence.dataset_warning(dataset, enqueued):
                log.warning(text)
        if not absence.published or (batch and batch[0][0] >= rfc3339(absence.ended)):
            self._absence = None

    def found_empty(self, now: datetime) -> None:
        """Notes that nothing came, with nothing in flight.

        Silence proves an empty queue only once after something was heard: a dead link
        is silent, too.
        """
        if not self._may_be_empty:
            return
        self._may_be_empty = False
        if self._absence:
            if not self._absence.is_reported:
                self._report(self._absence, None)
            self._absence = None
        self.progress.note_empty(now)

    def _report(self, absence: Absence, oldest: datetime | None) -> None:
        absence.is_reported = True
        log.warning(absence.warning(oldest))
