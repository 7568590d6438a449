"""A SAMPLES folder: `<DATASET>/<message_id>`, each file one message's JSON."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from command.usage import UsageError


@dataclass(frozen=True, slots=True)
class Sample:
    """One message to send: its dataset, its id and its JSON, unchanged."""

    dataset: str
    message_id: str
    payload: bytes


class SampleFolder:
    """The messages of a folder; only their names are kept in memory.

    Files in the folder itself and hidden ones are not messages.

    Attributes:
        messages: The names of the files, by dataset.
        skipped: Other things that may have been meant as messages.
    """

    def __init__(self, folder: Path) -> None:
        """Lists the files.

        Raises:
            UsageError: The folder is missing or holds no message.
            OSError: It cannot be read.
        """
        if not folder.is_dir():
            what = "is not a folder" if folder.exists() else "does not exist"
            raise UsageError(f"the samples folder '{folder}' {what}")
        self.folder = folder
        listing = {name: _names(folder / name, files=True) for name in _names(folder)}
        self.messages = {name: files for name, files in listing.items() if files}
        self.skipped = [
            name
            for name in _names(folder, files=True)
            if not name.upper().startswith("README")
        ]
        for name in listing:
            self.skipped += [f"{name}/{inner}/" for inner in _names(folder / name)]
        if not self.messages:
            raise UsageError(
                f"the samples folder '{folder}' holds no messages: it needs files "
                "named <DATASET>/<message_id>"
            )

    def read(self) -> Iterator[Sample]:
        """Every message once; datasets take turns, so that a big one delays none.

        Raises:
            OSError: A file cannot be read.
        """
        waiting = {name: iter(files) for name, files in self.messages.items()}
        while waiting:
            for dataset, files in list(waiting.items()):
                name = next(files, None)
                if name is None:
                    del waiting[dataset]
                else:
                    payload = (self.folder / dataset / name).read_bytes()
                    yield Sample(_text(dataset), _text(name), payload)


def iris_body(payload: bytes) -> bytes:
    """The body IRIS sends for a message: its JSON text inside a JSON string.

    Bytes that are not UTF-8 do not fit into a JSON string: they are sent unchanged.
    """
    try:
        return orjson.dumps(payload.decode())
    except UnicodeDecodeError:
        return payload


def _names(folder: Path, files: bool = False) -> list[str]:
    """Names of the visible sub-folders, or files, of a folder, in order."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if not entry.name.startswith(".")
            and (entry.is_file() if files else entry.is_dir())
        )


def _text(name: str) -> str:
    """A file's name as text that AMQP can carry, whatever bytes it has on disk."""
    return os.fsencode(name).decode(errors="replace")
