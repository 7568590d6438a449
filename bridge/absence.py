"""Absence: how far the queue has been read, and what expired while nobody read it.

IRIS keeps a message for three days. Whoever was away for longer has lost what was
queued between the end of his reading and three days ago. What counts is the reading as
a whole: a dataset that is published twice a year is silent, not lost.
"""

import asyncio
import json
import logging
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bridge.envelope import rfc3339
from bridge.span import Span, seconds_text

log = logging.getLogger("bridge")

# https://github.com/elexon-data/iris-clients, README: messages expire after 3 days.
KEPT = timedelta(days=3)
# The archive has its own clock, and what was in hand at a kill was queued a little
# before what was published last.
MARGIN = timedelta(minutes=10)

# What a start brings is written soon, and then little is lost at a kill: far less than
# the margin. In a bucket, a write each 2 s would cost more than the bridge itself.
FIRST_SAVE_SECONDS = 2.0
SAVE_SECONDS = 60.0
# IRIS has 89 datasets. A subject is data from outside: names must not fill memory.
MAX_DATASETS = 500


class StateError(ValueError):
    """A state file that cannot be used; the text says why."""


@dataclass
class Reading:
    """How far a queue has been read. Times are RFC 3339 texts of one length.

    Attributes:
        queue: Which one.
        until: All that was queued before has been read, as far as anyone knows.
        published: When the last message published was queued, by dataset.
        is_gapless: Whether the queue is known to number its messages without gaps.
    """

    queue: str
    until: str = ""
    published: dict[str, str] = field(default_factory=dict)
    is_gapless: bool = False

    def note_published(self, dataset: str, enqueued: str) -> None:
        """Notes that Pub/Sub has a message of a dataset, queued at that time."""
        if not enqueued:  # the queue did not say
            return
        known = self.published.get(dataset)
        if known is None and len(self.published) >= MAX_DATASETS:
            return
        if known is None or enqueued > known:
            self.published[dataset] = enqueued
        self.until = max(self.until, enqueued)

    def note_empty(self, now: datetime) -> None:
        """Notes that the queue was found empty."""
        self.until = max(self.until, rfc3339(now))

    def expired(self, now: datetime) -> Span | None:
        """What IRIS has dropped unread: queued in this span; None if nothing."""
        if not self.until:
            return None
        until, kept_since = datetime.fromisoformat(self.until), now - KEPT
        return Span(until, kept_since) if until < kept_since else None

    def to_json(self) -> str:
        """The content of the state file."""
        content = {
            "queue": self.queue,
            "read_until": self.until,
            "published": dict(sorted(self.published.items())),
            "is_gapless": self.is_gapless,
        }
        return json.dumps(content, indent=2) + "\n"


def parse_reading(text: str, queue: str) -> Reading:
    """What a state file says of a queue; nothing if it speaks of another.

    Raises:
        StateError: It is no state file.
    """
    try:
        content = json.loads(text)
        if content["queue"] != queue:
            return Reading(queue)
        published = {
            str(dataset): _time(moment)
            for dataset, moment in content["published"].items()
        }
        until = content["read_until"] and _time(content["read_until"])
        is_gapless = content.get("is_gapless") is True  # files of before lack it
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StateError("it is no state of the bridge") from None
    return Reading(queue, until, published, is_gapless)


def _time(text: Any) -> str:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return rfc3339(moment)


@dataclass
class Absence:
    """A time away that was too long.

    Attributes:
        expired: What is lost was queued in this span, at most.
        published: When the last message before it was queued, by dataset.
        ended: When reading began again.
    """

    expired: Span
    published: dict[str, str]
    ended: datetime
    is_told: bool = False

    def told(self, oldest: datetime | None) -> str:
        """What to say of it, with the command that helps.

        Args:
            oldest: When the oldest message left was queued; None if none was left.
        """
        end = self.ended if oldest is None else max(self.expired.end, oldest)
        start_text = seconds_text(self.expired.start - MARGIN)
        end_text = seconds_text(min(end + MARGIN, self.ended))
        return (
            f"the queue was read until {seconds_text(self.expired.start)}, and IRIS "
            f"keeps a message for {KEPT.days} days; what expired unread comes with "
            f"python -m bridge backfill --from {start_text} --to {end_text}"
        )

    def told_of(self, dataset: str, enqueued: str) -> str | None:
        """What to say at a message of a dataset; None if it is not the first.

        What was queued after the return is no evidence: the dataset may be a rare one.
        """
        before = self.published.pop(dataset, None)
        if before is None or enqueued >= rfc3339(self.ended):
            return None
        return (
            f"{dataset}: messages between {before} (last published) and {enqueued} "
            "(first after) may have expired"
        )


class Watch:
    """Follows the reading of a queue, warns after an absence, keeps the state file."""

    def __init__(self, reading: Reading, path: Path | None = None) -> None:
        self.reading = reading
        self._path = path
        self._absence: Absence | None = None
        self._may_be_empty = False
        self._saved = reading.to_json()
        self._is_unsaved_told = False
        self._saving = threading.Lock()  # a last save may meet one under way

    def opened(self, now: datetime) -> None:
        """Notes a new session with the queue."""
        self._may_be_empty = True
        expired = self.reading.expired(now)
        if expired and not self._absence:
            published = dict(self.reading.published)
            self._absence = Absence(expired, published, now)

    def received(self, messages: Iterable[tuple[str, str]]) -> None:
        """Looks at a batch, `(dataset, enqueued time)` each; warns if need be."""
        self._may_be_empty = True
        absence = self._absence
        if not absence:
            return
        batch = sorted(((time, name) for name, time in messages if time))
        if batch and not absence.is_told:
            self._tell(absence, datetime.fromisoformat(batch[0][0]))
        for enqueued, dataset in batch:
            if text := absence.told_of(dataset, enqueued):
                log.warning(text)
        if not absence.published or (batch and batch[0][0] >= rfc3339(absence.ended)):
            self._absence = None

    def found_empty(self, now: datetime) -> None:
        """Notes that nothing came, with nothing in hand.

        Silence proves an empty queue only once after something was heard: a link that
        died without a word is silent, too.
        """
        if not self._may_be_empty:
            return
        self._may_be_empty = False
        if self._absence:
            if not self._absence.is_told:
                self._tell(self._absence, None)
            self._absence = None
        self.reading.note_empty(now)

    def _tell(self, absence: Absence, oldest: datetime | None) -> None:
        absence.is_told = True
        log.warning(absence.told(oldest))

    async def keep(self) -> None:
        """Saves once a minute what has changed; never ends."""
        while True:
            await asyncio.sleep(FIRST_SAVE_SECONDS)
            if await asyncio.to_thread(self.save, self.reading.to_json()):
                await asyncio.sleep(SAVE_SECONDS)

    def save(self, text: str | None = None) -> bool:
        """Writes the state file if it says anything new; a failure is told once.

        Returns:
            Whether it was written.
        """
        with self._saving:
            text = text or self.reading.to_json()
            if text == self._saved or not self._path:
                return False
            try:
                _write(self._path, text)
            except OSError as error:
                self._tell_unsaved(error)
                return False
            self._saved = text
            return True

    def _tell_unsaved(self, error: OSError) -> None:
        if not self._is_unsaved_told:
            self._is_unsaved_told = True
            log.warning(
                f"IRIS_STATE_FILE: cannot write {self._path} ({error.strerror}): "
                "after a long absence the bridge will not know what it missed"
            )


def load(path: Path, queue: str) -> Watch:
    """A watch that goes on from a state file; an unusable one is told, and no more."""
    reading = Reading(queue)
    try:
        reading = parse_reading(path.read_text(encoding="utf-8"), queue)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        log.warning(f"IRIS_STATE_FILE: cannot use {path}: {error}")
    return Watch(reading, path)


def _write(path: Path, text: str) -> None:
    """Writes a file so that it is whole at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
