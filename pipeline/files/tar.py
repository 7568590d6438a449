"""A tar file, plain or gzip, as a stream of members that are never on the disk.

Python's `tarfile` ends without an error where a tar file is cut off between two
members, has a broken header or is followed by a second tar file. This module reports
the first two and reads the third.
"""

import contextlib
import gzip
import tarfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, Self, cast

from pipeline.core.decoding import GZIP_MAGIC

# JSON in a tar file shrinks to a tenth, tiny files to a fiftieth. What unpacks to
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


class BrokenTarError(ValueError):
    """A tar file that cannot be read to its end; the message says why."""


class Member(NamedTuple):
    """A file in a tar file; it can be read until the next one is asked for.

    Attributes:
        name: Its path, as the tar file has it.
        size_bytes: How large it is.
    """

    name: str
    size_bytes: int
    tar: tarfile.TarFile
    header: tarfile.TarInfo

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            BrokenTarError: The tar file ends before they do.
        """
        with _broken_tar_errors():
            opened = self.tar.extractfile(self.header)
            return opened.read() if opened else b""


def members(opened: BinaryIO) -> Iterator[Member]:
    """Yields the files in a tar file; links, devices and folders are left out.

    Raises:
        BrokenTarError: It is not a tar file, is cut off or unpacks without end. The
            members that came before that are whole.
    """
    packed = _Packed(opened)
    is_gzip = packed.peek(len(GZIP_MAGIC)) == GZIP_MAGIC
    stream: Any = _Unpacked(packed) if is_gzip else packed
    # Of several tar files in one, as of `cat a.tar.gz b.tar.gz`, all are read.
    with (
        _broken_tar_errors(),
        tarfile.open(
            fileobj=cast(Any, _Ending(stream)),
            mode="r|",
            tarinfo=_Header,
            ignore_zeros=True,
        ) as tar,
    ):
        for header in tar:
            if header.isfile():
                yield Member(header.name, header.size, tar, header)
            tar.members.clear()  # type: ignore[attr-defined] # it keeps them


@contextlib.contextmanager
def _broken_tar_errors() -> Iterator[None]:
    try:
        yield
    except BrokenTarError:
        raise
    except (tarfile.TarError, ValueError, OSError, EOFError, zlib.error) as error:
        raise BrokenTarError(str(error) or type(error).__name__) from None


class _Header(tarfile.TarInfo):
    """A header; without this class `tarfile` treats a broken one as the end."""

    @classmethod
    def fromtarfile(cls, tar: Any) -> Self:
        try:
            header = super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined] # not in its stubs
            tar.has_end = True
            raise
        except tarfile.EmptyHeaderError:  # type: ignore[attr-defined]
            if getattr(tar, "has_end", False):
                raise
            raise tarfile.ReadError("it is cut off") from None
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None
        tar.has_end = False
        return header

    def _proc_member(self, tar: tarfile.TarFile) -> Any:
        # Private, but its comment in tarfile names it as the method to override.
        if self.type in _HEADERS and self.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"it has a header of {self.size} bytes")
        return super()._proc_member(tar)  # type: ignore[misc]


class _Ending:
    """A stream that raises when it is read again after its end.

    `tarfile` skips a member block by block, and a broken header may claim a trillion
    blocks.
    """

    def __init__(self, opened: Any) -> None:
        self._opened = opened
        self._has_ended = False

    def read(self, size: int = -1) -> bytes:
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
        """The first bytes; `read` returns them again."""
        self._ahead = self._opened.read(size)
        return self._ahead

    def read(self, size: int = -1) -> bytes:
        data = self._ahead or self._opened.read(size)
        self._ahead = b""
        self.read_bytes += len(data)
        return data


class _Unpacked:
    """The unpacked bytes of a gzip stream; raises if it is a bomb."""

    def __init__(self, packed: _Packed) -> None:
        self._packed = packed
        self._opened = gzip.GzipFile(fileobj=cast(Any, packed))
        self._read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        data = self._opened.read(size)
        self._read_bytes += len(data)
        most = max(RATIO_FROM_BYTES, MAX_RATIO * self._packed.read_bytes)
        if self._read_bytes > most:
            raise tarfile.ReadError("it unpacks without end")
        return data
