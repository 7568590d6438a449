"""Download: one HTTP GET that outlasts what networks do, at a polite rate."""

import asyncio
import base64
import hashlib
import itertools
import random
import re
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import aiohttp
from yarl import URL

from command.text import one_line

CONNECT_SECONDS = 15.0
# The API prepares a large answer for half a minute before its first byte.
READ_SECONDS = 60.0
FIRST_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 30.0
# What fails this often while other requests succeed fails by itself.
MAX_ATTEMPTS = 8
MAX_ERROR_BYTES = 10_000
# 11 MB have been seen; ten times that is what Pub/Sub takes gzipped.
MAX_BODY_BYTES = 100_000_000

# The server's own words for "try again".
PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,  # what was begun has changed
}
GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
CONTENT_RANGE_PATTERN = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})", re.ASCII)


class DownloadError(Exception):
    """A request that has no good answer; the text is one line."""


class GoneError(DownloadError):
    """What was asked for does not exist."""


class RefusedError(DownloadError):
    """The server does not answer this request, now or later.

    Attributes:
        body: What it said.
        is_general: Whether it would refuse every other request, too.
    """

    def __init__(self, text: str, body: bytes, *, is_general: bool) -> None:
        super().__init__(text)
        self.body = body
        self.is_general = is_general


class TooLargeError(DownloadError):
    """The body is larger than allowed."""


class StubbornError(DownloadError):
    """This request fails again and again while others succeed."""


class GaveUpError(DownloadError):
    """Nothing at all has succeeded for too long."""


class StoppedError(DownloadError):
    """The user wants to stop."""


class _PassingError(Exception):
    """Worth another try."""

    def __init__(self, text: str, wait_seconds: float = 0.0) -> None:
        super().__init__(text)
        self.wait_seconds = wait_seconds


class Patience:
    """How long nothing has succeeded, over all that runs at once.

    Attributes:
        successes: How much has succeeded.
        failures: How much has been tried in vain.
        last_error: What failed last; None again after a success.
        stopping: Set when the user wants to stop.
    """

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._since = clock()
        self.successes = 0
        self.failures = 0
        self.last_error: str | None = None
        self.stopping = asyncio.Event()

    def succeeded(self) -> None:
        """Notes that something has."""
        self._since = self._clock()
        self.successes += 1
        self.last_error = None

    def failed(self, error: str) -> None:
        """Notes a try in vain.

        Raises:
            GaveUpError: Nothing has succeeded for too long.
        """
        self.failures += 1
        self.last_error = error
        if self._clock() - self._since >= self.seconds:
            raise GaveUpError(f"nothing succeeded for {self.seconds:.0f} s: {error}")

    async def pause(self, seconds: float) -> bool:
        """Waits; gives False at once when the user wants to stop."""
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return True
        return False


class Pace:
    """Gives requests their turn: so many a second, none while a server wants peace."""

    def __init__(
        self, per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._gap_seconds = 1 / per_second
        self._clock = clock
        self._next = clock()

    def wait_seconds(self) -> float:
        """Takes the next turn; gives how long it is until then."""
        now = self._clock()
        turn = max(now, self._next)
        self._next = turn + self._gap_seconds
        return turn - now

    def hold(self, seconds: float) -> None:
        """Gives nobody a turn for so long."""
        self._next = max(self._next, self._clock() + seconds)


@dataclass
class Part:
    """What has come of a body.

    Attributes:
        total_bytes: What it will have, if the server said.
        tag: Its ETag: a continuation must have the same.
        md5: Its digest as bytes, if the server said.
    """

    data: bytearray = field(default_factory=bytearray)
    total_bytes: int | None = None
    tag: str | None = None
    md5: bytes | None = None
    is_gzip: bool = False

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Takes an answer's headers; keeps what it has if the answer continues it."""
        if status == HTTPStatus.PARTIAL_CONTENT and self._is_continued(headers):
            return
        self.data.clear()
        length = headers.get("Content-Length", "")
        is_number = length.isascii() and length.isdigit()
        self.total_bytes = int(length) if is_number else None
        self.tag = headers.get("ETag")
        self.md5 = _digest(headers.get("Content-MD5"))
        self.is_gzip = headers.get("Content-Encoding", "").lower() == "gzip"

    def _is_continued(self, headers: Mapping[str, str]) -> bool:
        """Whether the answer goes on exactly where this ends.

        Raises:
            _PassingError: It is another part: this one begins anew.
        """
        match = CONTENT_RANGE_PATTERN.fullmatch(headers.get("Content-Range", ""))
        is_next = match and int(match[1]) == len(self.data)
        if not match or not is_next or headers.get("ETag") != self.tag:
            self.data.clear()
            raise _PassingError("the server sent another part than asked for")
        self.total_bytes = int(match[2])
        return True

    def finish(self, max_bytes: int) -> bytes:
        """The whole body, checked.

        Raises:
            _PassingError: It is cut short, or not what the server meant to send.
            TooLargeError: It is too large unpacked.
        """
        got, data = len(self.data), bytes(self.data)
        if self.total_bytes is not None and got != self.total_bytes:
            if got > self.total_bytes:
                self.data.clear()
            raise _PassingError(f"{got} of {self.total_bytes} bytes came")
        body = _unpacked(data, max_bytes) if self.is_gzip else data
        if self.md5 and self.md5 not in (_md5(data), _md5(body)):
            self.data.clear()
            raise _PassingError("the body does not match its Content-MD5")
        return body


def retry_after_seconds(header: str | None, now: datetime) -> float:
    """How long a server wants to be left in peace: seconds or a date (RFC 9110)."""
    if not header:
        return 0.0
    if header.isascii() and header.isdigit():
        return float(header[:9])
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def delay_seconds(attempt: int, fraction: float) -> float:
    """How long to wait after a failed attempt, the first being 1.

    It doubles, and a random fraction of it is waited, so that requests which failed
    together do not come back together.
    """
    longest_seconds = FIRST_DELAY_SECONDS * float(2 ** min(attempt, 30))
    return min(longest_seconds, MAX_DELAY_SECONDS) * (1 + fraction) / 2


class Downloader:
    """Gets bodies; use it inside the loop that made it."""

    def __init__(self, pace: Pace, patience: Patience, concurrency: int) -> None:
        self._pace = pace
        self._patience = patience
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=concurrency),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS
            ),
            # Length, range and digest then speak of the same bytes.
            headers={"Accept-Encoding": "identity", "User-Agent": "gb-iris"},
            auto_decompress=False,
            trust_env=True,  # proxies
        )

    async def close(self) -> None:
        """Closes all connections."""
        await self._session.close()

    async def get(
        self,
        url: str,
        max_bytes: int = MAX_BODY_BYTES,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The body behind an address.

        Passing failures are tried again, from where the body broke off if the server
        can continue it.

        Args:
            url: The address, encoded.
            max_bytes: The largest body to take.
            headers: What to send besides our own headers.

        Raises:
            DownloadError: One of its kinds above.
        """
        part = Part()
        before = self._patience.successes
        for attempt in itertools.count(1):
            try:
                await self._turn()
                body = await self._try(url, part, max_bytes, headers or {})
            except (_PassingError, aiohttp.ClientError, OSError) as error:
                await self._failed(error, attempt, before)
            else:
                self._patience.succeeded()
                return body
        raise AssertionError  # the loop above has no end

    async def _turn(self) -> None:
        seconds = self._pace.wait_seconds()
        if self._patience.stopping.is_set() or (
            seconds > 0 and not await self._patience.pause(seconds)
        ):
            raise StoppedError("stopped")

    async def _failed(self, error: Exception, attempt: int, before: int) -> None:
        """Waits before the next attempt.

        Raises:
            DownloadError: There is to be none.
        """
        text = str(error) if isinstance(error, _PassingError) else one_line(error)
        self._patience.failed(text)
        if attempt >= MAX_ATTEMPTS and self._patience.successes > before:
            raise StubbornError(f"failed {attempt} times: {text}") from None
        # Jitter is no secret.
        seconds = delay_seconds(attempt, random.random())  # noqa: S311
        if isinstance(error, _PassingError) and error.wait_seconds:
            seconds = error.wait_seconds
            if seconds > self._patience.seconds:
                raise GaveUpError(f"{text}: the server wants {seconds:.0f} s of peace")
            self._pace.hold(seconds)
        if not await self._patience.pause(seconds):
            raise StoppedError("stopped")

    async def _try(
        self, url: str, part: Part, max_bytes: int, headers: Mapping[str, str]
    ) -> bytes:
        # The CDN in front of the archive knows `Range` and not Azure's `x-ms-range`
        # (insights-docs, docs/iris_archive.md).
        if part.data:
            headers = {**headers, "Range": f"bytes={len(part.data)}-"}
        # `encoded`: the names of blobs are data, no `..` of theirs is to be resolved.
        target = URL(url, encoded=True)
        async with self._session.get(target, headers=headers) as answer:
            if answer.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                await self._complain(answer, part)
            part.begin(answer.status, answer.headers)
            async for chunk in answer.content.iter_any():
                part.data += chunk
                if len(part.data) > max_bytes:
                    raise TooLargeError(f"more than {max_bytes} bytes")
        return part.finish(max_bytes)

    async def _complain(self, answer: aiohttp.ClientResponse, part: Part) -> None:
        """Raises what the status means."""
        status = answer.status
        body = await answer.content.read(MAX_ERROR_BYTES)
        text = f"HTTP {status} {answer.reason or ''}".rstrip()
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.data.clear()
        if status in PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            header = answer.headers.get("Retry-After")
            raise _PassingError(text, retry_after_seconds(header, datetime.now(UTC)))
        if status in GONE:
            raise GoneError(text)
        is_general = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        raise RefusedError(text, body, is_general=is_general)


def _digest(header: str | None) -> bytes | None:
    try:
        return base64.b64decode(header, validate=True) if header else None
    except ValueError:
        return None


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _unpacked(data: bytes, max_bytes: int) -> bytes:
    """A gzipped body unpacked, never more than allowed."""
    unpacker: Any = zlib.decompressobj(wbits=31)
    try:
        body = bytes(unpacker.decompress(data, max_bytes + 1))
    except zlib.error as error:
        raise _PassingError(f"the body is not gzip: {error}") from None
    if len(body) > max_bytes:
        raise TooLargeError(f"more than {max_bytes} bytes")
    if not unpacker.eof:
        raise _PassingError("the gzipped body is cut short")
    return body
