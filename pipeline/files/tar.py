"""A tar archive, plain or gzip, as a stream of files that are never on the disk.

Python's `tarfile` ends in silence where an archive is cut off between two files, has a
broken header or is followed by a second archive. Here each of these is told, or read.
"""

from __future__ import annotations

import contextlib
import gzip
import tarfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, cast

from pipeline.core.decoding import GZIP_MAGIC

# JSON in a tar archive shrinks to a tenth, tiny files to a fiftieth. What unpacks to
# more than this, beyond the first bytes, is a bomb (deflate's limit: 1,032).
MAX_RATIO = 500
RATIO_FROM_BYTES = 256 * 2**20
# A header of a long name is read at once; Linux has paths of 4,096 bytes.
MAX_HEADER_BYTES = 2**20
_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class BrokenArchiveError(ValueError):
    """An archive that cannot be read to its end; the message says why."""


class Entry(NamedTuple):
    """A file of an archive; it is read before the next one is asked for, or never.

    Attributes:
        name: Its path, as it stands there.
        size_bytes: How large it is.
    """

    name: str
    size_bytes: int
    archive: tarfile.TarFile
    member: tarfile.TarInfo

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            BrokenArchiveError: They are not all there.
        """
        with _faults_told():
            opened = self.archive.extractfile(self.member)
            return opened.read() if opened else b""


def entries(opened: BinaryIO) -> Iterator[Entry]:
    """Gives the files of an archive; links, devices and folders are none.

    Raises:
        BrokenArchiveError: It is no archive, is cut off or unpacks without end. What
            came before that is whole.
    """
    packed = _Packed(opened)
    is_gzip = packed.peek(len(GZIP_MAGIC)) == GZIP_MAGIC
    stream: Any = _Unpacked(packed) if is_gzip else packed
    # Archives that follow one another are read on: `cat a.tar.gz b.tar.gz`.
    with (
        _faults_told(),
        tarfile.open(
            fileobj=cast(Any, _Ending(stream)),
            mode="r|",
            tarinfo=_Member,
            ignore_zeros=True,
        ) as archive,
    ):
        for member in archive:
            if member.isfile():
                yield Entry(member.name, member.size, archive, member)
            archive.members.clear()  # type: ignore[attr-defined] # it keeps them


@contextlib.contextmanager
def _faults_told() -> Iterator[None]:
    try:
        yield
    except BrokenArchiveError:
        raise
    except (tarfile.TarError, ValueError, OSError, EOFError, zlib.error) as error:
        raise BrokenArchiveError(str(error) or type(error).__name__) from None


class _Member(tarfile.TarInfo):
    """A header of which `tarfile` must not take a fault for the end."""

    @classmethod
    def fromtarfile(cls, archive: Any) -> _Member:
        try:
            member = super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined] # not in its stubs
            archive.has_end = True
            raise
        except tarfile.EmptyHeaderError:  # type: ignore[attr-defined]
            if getattr(archive, "has_end", False):
                raise
            raise tarfile.ReadError("it is cut off") from None
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None
        archive.has_end = False
        return member

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        # What tarfile names as the place to override.
        if self.type in _HEADERS and self.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"it has a header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


class _Ending:
    """A stream that refuses to be read on after its end.

    `tarfile` skips a file block by block, also one of which a broken header says that
    it has a trillion blocks.
    """

    def __init__(self, opened: Any) -> None:
        self._opened = opened
        self._has_ended = False

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data: bytes = self._opened.read(size)
        if not data and self._has_ended:
            raise tarfile.ReadError("it is cut off")
        self._has_ended = not data
        return data


class _Packed:
    """A stream of bytes that knows how many have been read."""

    def __init__(self, opened: BinaryIO) -> None:
        self._opened = opened
        self._ahead = b""
        self.read_bytes = 0

    def peek(self, size: int) -> bytes:
        """The first bytes, which are read again."""
        self._ahead = self._opened.read(size)
        return self._ahead

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self._ahead or self._opened.read(size)
        self._ahead = b""
        self.read_bytes += len(data)
        return data


class _Unpacked:
    """What a gzip stream holds, as long as that is no bomb."""

    def __init__(self, packed: _Packed) -> None:
        self._packed = packed
        self._opened = gzip.GzipFile(fileobj=cast(Any, packed))
        self._read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self._opened.read(size)
        self._read_bytes += len(data)
        most = max(RATIO_FROM_BYTES, MAX_RATIO * self._packed.read_bytes)
        if self._read_bytes > most:
            raise tarfile.ReadError("it unpacks without end")
        return data
