"""The output: a file, in its place only once it is complete, or standard output."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from command.output import drop_output
from command.usage import UsageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


class _File(io.FileIO):
    """A file whose errors are the user's to correct: errors of the network are not."""

    out: Path

    def write(self, data: "Buffer", /) -> int:
        """Writes the data.

        Raises:
            UsageError: The disk is full, or fails.
        """
        try:
            return super().write(data)
        except OSError as error:
            raise _unwritable(self.out, error) from None


def check(path: Path) -> None:
    """Makes sure that a file can be written there, before anything is asked.

    Raises:
        UsageError: It cannot.
    """
    folder = path.parent
    if path.is_dir():
        raise UsageError(f"OUT {path} is a folder: name a file in it")
    if not folder.is_dir():
        raise UsageError(f"OUT {path}: there is no folder {folder}")
    target = path if _is_special(path) else path.resolve().parent
    if not os.access(target, os.W_OK):
        raise UsageError(f"OUT {path}: you cannot write to {target}")


@contextlib.contextmanager
def complete_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write; its content is at the path once the block has ended well.

    Raises:
        UsageError: It cannot be written, or the disk is full.
    """
    if _is_special(path):
        with _opened(path, path, "wb") as stream:
            yield stream
        return
    target = path.resolve()  # a symbolic link stays one
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with _opened(draft, path, "xb") as stream:
            yield stream
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Standard output as bytes; a reader that leaves (`| head`) ends the block."""
    sys.stdout.flush()
    stream = open(sys.stdout.fileno(), "wb", closefd=False)  # noqa: SIM115
    try:
        with stream:
            yield stream
    except BrokenPipeError:
        drop_output()


def _is_special(path: Path) -> bool:
    """Whether it is a pipe or a device, which cannot be replaced."""
    return path.exists() and not path.is_file()


def _opened(file: Path, out: Path, mode: str) -> BinaryIO:
    try:
        raw = _File(file, mode)
    except OSError as error:
        raise _unwritable(out, error) from None
    raw.out = out
    return io.BufferedWriter(raw)


def _unwritable(out: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot write OUT {out}: {error.strerror}")
