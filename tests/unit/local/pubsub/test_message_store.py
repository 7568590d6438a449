"""The file of the embedded Pub/Sub."""

import contextlib
import sqlite3
from pathlib import Path

from local.pubsub.message_store import SCHEMA, MessageStore


def test_a_new_file_has_pages_for_large_messages(tmp_path: Path) -> None:
    path = tmp_path / "pubsub.sqlite"
    with contextlib.closing(MessageStore(path)) as store:
        store.append("s", [b"x" * 60_000], 1)
        store.commit()
    with contextlib.closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA page_size").fetchone() == (32_768,)


def test_a_file_with_small_pages_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "pubsub.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.executescript(
            f"PRAGMA page_size = 4096; PRAGMA journal_mode = WAL;{SCHEMA}"
        )
        file.execute(
            "INSERT INTO backlog (subscription, published_us, message)"
            " VALUES ('s', 1, x'01')"
        )
        file.commit()
    with contextlib.closing(MessageStore(path)) as store:
        store.append("s", [b"after"], 2)
        store.commit()
        assert [one.message for one in store.read("s", 0)] == [b"\x01", b"after"]
