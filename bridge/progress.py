"""Progress: how far a queue has been read, and the state file that remembers it."""

import asyncio
import json
import logging
import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bridge.envelope import rfc3339
from bridge.span import Span

log = logging.getLogger(__name__)

# https://github.com/elexon-data/iris-clients, README: messages expire after 3 days.
KEPT = timedelta(days=3)

# By which the clocks of two machines may differ.
MARGIN = timedelta(minutes=10)

# What the first messages bring is written soon, so that a kill costs little: far less
# than the margin of a backfill. In a bucket, a write every 2 s would cost more than the
# bridge itself.
FIRST_SAVE_SECONDS = 2.0
SAVE_SECONDS = 60.0
# IRIS has 89 datasets. A subject is data from outside: names must not fill memory.
MAX_DATASETS = 500


class StateError(ValueError):
    """A state file that cannot be used; the text says why."""


@dataclass
class Progress:
    """How far a queue has been read. Times are RFC 3339 texts of one length.

    Attributes:
        queue: The queue in words.
        until: Everything queued before has been read, as far as the bridge knows.
        published: When the last published message was queued, by dataset.
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

    def without_future(self, now: datetime) -> str | None:
        """Forgets an end of reading that is in the future; returns what was forgotten.

        A clock that was ahead wrote it. The times of messages are the queue's own.
        """
        latest = rfc3339(now + MARGIN)
        if self.until <= latest:
            return None
        forgotten = self.until
        self.published = {k: at for k, at in self.published.items() if at <= latest}
        self.until = max(self.published.values(), default="")
        return forgotten

    def expired(self, now: datetime) -> Span | None:
        """When the messages were queued that IRIS has dropped unread; None if none."""
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


def parse(text: str, queue: str) -> Progress:
    """The progress in a state file; none if the file is about another queue.

    Raises:
        StateError: The text is not a state file.
    """
    try:
        content = json.loads(text)
        if content["queue"] != queue:
            return Progress(queue)
        published = {
            str(dataset): _time(moment)
            for dataset, moment in content["published"].items()
        }
        until = content["read_until"] and _time(content["read_until"])
        is_gapless = content.get("is_gapless") is True  # older files do not have it
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StateError("it is not a state file of the bridge; remove it") from None
    return Progress(queue, until, published, is_gapless)


def _time(text: Any) -> str:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return rfc3339(moment)


class StateFile:
    """Keeps the file of a progress up to date."""

    def __init__(self, progress: Progress, path: Path) -> None:
        self.progress = progress
        self._path = path
        self._saved = progress.to_json()
        self._has_warned = False
        self._saving = threading.Lock()  # the last save may meet one that is running

    async def keep(self) -> None:
        """Saves once a minute what has changed; never ends."""
        while True:
            await asyncio.sleep(FIRST_SAVE_SECONDS)
            if await asyncio.to_thread(self.save, self.progress.to_json()):
                await asyncio.sleep(SAVE_SECONDS)

    def save(self, text: str | None = None) -> bool:
        """Writes the file if its content has changed; warns of the first failure only.

        Args:
            text: The content; by default that of now.

        Returns:
            Whether it was written.
        """
        with self._saving:
            text = text or self.progress.to_json()
            if text == self._saved:
                return False
            try:
                _write(self._path, text)
            except OSError as error:
                self._warn(error)
                return False
            self._saved = text
            return True

    def _warn(self, error: OSError) -> None:
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                f"IRIS_STATE_FILE: cannot write {self._path} ({error.strerror}): "
                "after a long absence the bridge will not know what it missed; make "
                "the folder writable, or name another file"
            )


def load(path: Path, queue: str, former: Path | None = None) -> StateFile:
    """The state file of a queue; warns of one that cannot be used, and starts over.

    Args:
        path: The file.
        queue: The queue in words.
        former: The file that the queue may have had before, if `path` does not exist.
    """
    progress = Progress(queue)
    try:
        existing = path if path.exists() or former is None else former
        progress = parse(existing.read_text(encoding="utf-8"), queue)
        if forgotten := progress.without_future(datetime.now(UTC)):
            log.warning(_future_text(path, forgotten, progress.until))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        log.warning(f"IRIS_STATE_FILE: cannot use {path}: {error}")
    return StateFile(progress, path)


def _future_text(path: Path, forgotten: str, until: str) -> str:
    known = (
        f"the last message was queued at {until}, which is used instead"
        if until
        else "so it is not known what expired unread: fetch what you miss with python "
        "-m bridge backfill"
    )
    return (
        f"IRIS_STATE_FILE: {path} says that the queue was read until {forgotten}, "
        f"which is in the future: the clock was wrong then, or is now; {known}"
    )


def _write(path: Path, text: str) -> None:
    """Writes a file so that it is complete at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
