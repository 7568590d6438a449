"""Output: standard output that nobody may read to its end, as with `| head`."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


class _Output(io.FileIO):
    """A file that lets go of what nobody takes any more."""

    def write(self, data: Buffer, /) -> int:
        """Writes it, or counts it as written where the reader has left."""
        try:
            return super().write(data)
        except BrokenPipeError:
            return len(memoryview(data))


def let_reader_leave() -> None:
    """Has a command go on to its end, and to its exit code, when its reader leaves.

    It may have tables to make or rows to remove, and would stop halfway.
    """
    standard = sys.stdout
    if not isinstance(standard, io.TextIOWrapper):
        return  # closed, or a test's
    opened = _Output(standard.fileno(), "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(opened),
        encoding=standard.encoding,
        errors=standard.errors,
        line_buffering=standard.line_buffering,
        write_through=standard.write_through,
    )
