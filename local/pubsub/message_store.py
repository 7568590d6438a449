"""The SQLite file of the embedded Pub/Sub: everything that must outlive the process."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["topic", "subscription"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    kind TEXT NOT NULL, name TEXT NOT NULL, config BLOB NOT NULL,
    PRIMARY KEY (kind, name)
);
CREATE TABLE IF NOT EXISTS backlog (
    position INTEGER PRIMARY KEY AUTOINCREMENT,  -- so that none is used twice
    subscription TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 1,          -- which delivery comes next
    published_us INTEGER NOT NULL,
    message BLOB NOT NULL                        -- last: the columns before it are
);                                               -- read without reading the body
CREATE INDEX IF NOT EXISTS backlog_of_subscription ON backlog (subscription);
"""

# EXCLUSIVE locks the file for one server: two would deliver every message twice. NORMAL
# writes each commit to the operating system, which keeps it when the process dies. A
# new file has pages of 32 KB: with the default of 4 KB a message of 60 KB takes twice
# the time, one of 1 KB 1.5 times (measured). 500 pages (16 MB) between checkpoints:
# with a quarter of that, a checkpoint's fsync comes several times a second.
SETTINGS = """
PRAGMA page_size = 32768;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA wal_autocheckpoint = 500;
"""


class Stored(NamedTuple):
    """One message of one subscription's backlog.

    Attributes:
        position: Its place in the file, never used again; after a failed delivery the
            message gets a new one, at the end.
        attempt: Which delivery this is, from 1.
        message: A serialised `google.pubsub.v1.PubsubMessage`.
    """

    position: int
    attempt: int
    message: bytes


class MessageStore:
    """Topics, subscriptions and the unacknowledged messages of each subscription.

    A message is stored once for each subscription, which keeps every operation to one
    subscription's rows. Nothing is committed before `commit`. What has been committed
    survives the death of the process; a power cut may take the last moments.
    """

    def __init__(self, path: Path | str) -> None:
        """Opens or creates the file.

        Raises:
            sqlite3.Error: The file is not a database, or another server has it open.
        """
        # 2 s: a server that was just stopped may still be closing the file.
        self._connection = sqlite3.connect(path, timeout=2)
        self._connection.executescript(SETTINGS + SCHEMA)

    def commit(self) -> None:
        """Makes everything since the last commit survive the process."""
        self._connection.commit()

    def rollback(self) -> None:
        self._connection.rollback()

    def close(self) -> None:
        """Closes the file; what is not committed is lost."""
        self._connection.close()

    def limit_pages(self, pages: int) -> None:
        """Stops the growth of the file at this size, as a full disk does; for tests."""
        self._connection.execute(f"PRAGMA max_page_count = {pages}")

    def resources(self, kind: Kind) -> list[tuple[str, bytes]]:
        """Returns name and serialised configuration of all topics or subscriptions."""
        return self._connection.execute(
            "SELECT name, config FROM resources WHERE kind = ?", (kind,)
        ).fetchall()

    def save(self, kind: Kind, name: str, config: bytes) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO resources VALUES (?, ?, ?)", (kind, name, config)
        )

    def drop(self, kind: Kind, name: str) -> None:
        """Forgets a topic, or a subscription together with its backlog."""
        self._connection.execute(
            "DELETE FROM resources WHERE kind = ? AND name = ?", (kind, name)
        )
        if kind == "subscription":
            self._connection.execute(
                "DELETE FROM backlog WHERE subscription = ?", (name,)
            )

    def append(
        self, subscription: str, messages: Iterable[bytes], published_us: int
    ) -> None:
        """Adds messages to the end; `published_us` is in microseconds after 1970."""
        self._connection.executemany(
            "INSERT INTO backlog (subscription, published_us, message)"
            " VALUES (?, ?, ?)",
            ((subscription, published_us, message) for message in messages),
        )

    def read(self, subscription: str, after: int) -> Iterator[Stored]:
        """Yields messages after a position in their order, loading one at a time."""
        rows = self._connection.execute(
            "SELECT position, attempt, message FROM backlog"
            " WHERE subscription = ? AND position > ? ORDER BY position",
            (subscription, after),
        )
        return map(Stored._make, rows)

    def backlogs(self) -> list[tuple[str, int, int]]:
        """Each subscription, its messages, and when the oldest was published (us)."""
        return self._connection.execute(
            "SELECT name, COUNT(position), COALESCE(MIN(published_us), 0)"
            " FROM resources LEFT JOIN backlog ON subscription = name"
            " WHERE kind = 'subscription' GROUP BY name"
        ).fetchall()

    def get(self, position: int) -> Stored | None:
        """Returns the message at a position, or None if there is none any more."""
        row = self._connection.execute(
            "SELECT position, attempt, message FROM backlog WHERE position = ?",
            (position,),
        ).fetchone()
        return row and Stored._make(row)

    def retry(self, position: int) -> None:
        """Moves a message to the end of the backlog, for its next delivery."""
        self._connection.execute(
            "INSERT INTO backlog (subscription, attempt, published_us, message)"
            " SELECT subscription, attempt + 1, published_us, message"
            " FROM backlog WHERE position = ?",
            (position,),
        )
        self._connection.execute("DELETE FROM backlog WHERE position = ?", (position,))

    def delete(self, subscription: str, positions: Iterable[int]) -> None:
        """Forgets messages of a subscription; positions of others are left alone."""
        self._connection.executemany(
            "DELETE FROM backlog WHERE position = ? AND subscription = ?",
            ((position, subscription) for position in positions),
        )

    def delete_published_before(self, subscription: str, before_us: int) -> None:
        """Forgets a subscription's messages that are older than a moment."""
        self._connection.execute(
            "DELETE FROM backlog WHERE subscription = ? AND published_us < ?",
            (subscription, before_us),
        )
