"""Journal: which messages a command has published, so that it can continue later.

An append-only file of JSON lines: first the command, then `[dataset, message_id]` for
each message that Pub/Sub has, and `{"finished": time}` at the end. If a kill cuts a
line short, the line is dropped, and its message is published once more.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from bridge.span import seconds_text
from command.usage import UsageError

DIGEST_CHARACTERS = 10


def journal_name(command: dict[str, Any]) -> str:
    """The name of a command's file: the same for the same command."""
    text = json.dumps(command, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:DIGEST_CHARACTERS]
    return f"{command['via']}-{digest}.journal"


class Journal:
    """The journal of one command, locked against a second run.

    Attributes:
        keys: `DATASET/message_id` of published messages; about 130 bytes each.
        finished: When the command finished; None if it did not yet.
    """

    def __init__(self, folder: Path, command: dict[str, Any]) -> None:
        """Opens the journal of a command, or starts one.

        Raises:
            UsageError: The folder cannot be written, or the command is running.
        """
        self.path = folder / journal_name(command)
        self._header = json.dumps({"command": command}, sort_keys=True) + "\n"
        self.keys: set[str] = set()
        self.finished: str | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self.path.open("a+b")
            self._lock()
            self._load()
        except OSError as error:
            raise UsageError(
                f"--journal: cannot write {self.path} ({error.strerror}): name another "
                "folder"
            ) from None

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise UsageError(
                f"this command is already running, and has locked {self.path}: wait "
                "until it ends"
            ) from None

    def _load(self) -> None:
        """Reads the file, and cuts off a line without an end."""
        self._file.seek(0)
        whole_bytes = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            if whole_bytes == 0 and line != self._header.encode():
                raise UsageError(
                    f"{self.path} is not the journal of this command: remove it, or "
                    "name another folder with --journal"
                )
            whole_bytes += len(line)
            self._read(line)
        self._file.truncate(whole_bytes)
        if whole_bytes == 0:
            self._write(self._header)

    def _read(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
        except ValueError:
            raise UsageError(
                f"{self.path} is damaged: remove it, and all is published once more"
            ) from None
        match entry:
            case [str(dataset), str(message_id)]:
                self.keys.add(key(dataset, message_id))
            case {"finished": str(moment)}:
                self.finished = moment

    def add(self, names: Iterable[tuple[str, str]]) -> None:
        """Notes published messages, `(dataset, message_id)`; on disk on return.

        Raises:
            OSError: They cannot be written. Close the journal, write no more.
        """
        names = list(names)
        self._write("".join(json.dumps(name) + "\n" for name in names))
        self.keys.update(key(*name) for name in names)

    def finish(self, moment: datetime) -> None:
        """Notes that the command has finished.

        Raises:
            OSError: It cannot be written.
        """
        self.finished = seconds_text(moment)
        self._write(json.dumps({"finished": self.finished}) + "\n")

    def start_over(self) -> None:
        """Forgets all messages."""
        self._file.truncate(0)
        self.keys.clear()
        self.finished = None
        self._write(self._header)

    def close(self) -> None:
        """Closes and unlocks the file."""
        with suppress(OSError):  # closing repeats a failed `_write`
            self._file.close()

    def _write(self, text: str) -> None:
        try:
            self._file.write(text.encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None


def key(dataset: str, message_id: str) -> str:
    """The name of a message in the journal; a dataset has no slash."""
    return f"{dataset}/{message_id}"
