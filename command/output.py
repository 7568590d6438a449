"""Output: standard output whose reader may leave early, as `| head` does."""

import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


class _Output(io.FileIO):
    """A file that drops what is written after its reader has left."""

    def write(self, data: "Buffer", /) -> int:
        """Writes the data, or drops them if the reader has left."""
        try:
            return super().write(data)
        except BrokenPipeError:
            return len(memoryview(data))


def drop_output() -> None:
    """Drops what is left after a reader has left: Python writes it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def let_reader_leave() -> None:
    """Lets a command run to its end, and its exit code, after its reader has left.

    It may have tables to create or rows to remove, and would stop halfway.
    """
    standard = sys.stdout
    if not isinstance(standard, io.TextIOWrapper):
        return  # closed, or replaced by a test
    opened = _Output(standard.fileno(), "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(opened),
        encoding=standard.encoding,
        errors=standard.errors,
        line_buffering=standard.line_buffering,
        write_through=standard.write_through,
    )
