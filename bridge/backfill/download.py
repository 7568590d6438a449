"""Download: HTTP GET at a limited rate, repeated until it succeeds or must end."""

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
# A request that fails this often while others succeed is given up.
MAX_ATTEMPTS = 8
MAX_ERROR_BYTES = 10_000
# 11 MB have been seen; gzipped, Pub/Sub accepts ten times that.
MAX_BODY_BYTES = 100_000_000

# With these the server asks for another attempt.
TRANSIENT = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,  # the body has changed meanwhile
}
GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
CONTENT_RANGE_PATTERN = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})", re.ASCII)


class DownloadError(Exception):
    """A request without a usable answer; the text is one line."""


class GoneError(DownloadError):
    """The requested body does not exist."""


class RefusedError(DownloadError):
    """The server does not answer this request, now or later.

    Attributes:
        body: The server's text.
        is_general: Whether it would refuse every other request, too.
    """

    def __init__(self, text: str, body: bytes, *, is_general: bool) -> None:
        super().__init__(text)
        self.body = body
        self.is_general = is_general


class TooLargeError(DownloadError):
    """The body is larger than allowed."""


class RepeatedFailureError(DownloadError):
    """This request fails again and again while others succeed."""


class GaveUpError(DownloadError):
    """Nothing at all has succeeded for too long."""


class StoppedError(DownloadError):
    """The user has asked to stop."""


class TransientError(Exception):
    """A failure after which another attempt may succeed."""

    def __init__(self, text: str, wait_seconds: float = 0.0) -> None:
        super().__init__(text)
        self.wait_seconds = wait_seconds


class Patience:
    """How long no attempt has succeeded, over all that run at once.

    Attributes:
        seconds: After this long without a success, `failed` gives up.
        successes: The number of successful attempts.
        failures: The number of failed attempts.
        last_error: The last failure; None again after a success.
        stopping: Set when the user has asked to stop.
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
        """Notes a successful attempt."""
        self._since = self._clock()
        self.successes += 1
        self.last_error = None

    def failed(self, error: str) -> None:
        """Notes a failed attempt.

        Raises:
            GaveUpError: No attempt has succeeded for too long.
        """
        self.failures += 1
        self.last_error = error
        if self._clock() - self._since >= self.seconds:
            raise GaveUpError(f"nothing succeeded for {self.seconds:.0f} s: {error}")

    async def pause(self, seconds: float) -> bool:
        """Waits; returns False at once when the user asks to stop."""
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return True
        return False


class RateLimiter:
    """Limits the requests per second, and pauses when a server asks for it."""

    def __init__(
        self, per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._gap_seconds = 1 / per_second
        self._clock = clock
        self._next = clock()

    def wait_seconds(self) -> float:
        """Reserves the next request; returns how long to wait before it."""
        now = self._clock()
        start = max(now, self._next)
        self._next = start + self._gap_seconds
        return start - now

    def pause(self, seconds: float) -> None:
        """Lets no request start for this long."""
        self._next = max(self._next, self._clock() + seconds)


@dataclass
class PartialBody:
    """The part of a body that has come so far.

    Attributes:
        total_bytes: The size of the whole body, if the server said it.
        tag: Its ETag: a continuation must have the same.
        md5: Its digest as bytes, if the server said it.
        is_gzip: Whether the server has packed it.
    """

    data: bytearray = field(default_factory=bytearray)
    total_bytes: int | None = None
    tag: str | None = None
    md5: bytes | None = None
    is_gzip: bool = False

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Reads the headers of an answer; starts over unless it continues the body."""
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
        """Whether the answer continues exactly where this ends.

        Raises:
            TransientError: It is another part, so the body must start over.
        """
        match = CONTENT_RANGE_PATTERN.fullmatch(headers.get("Content-Range", ""))
        is_next = match and int(match[1]) == len(self.data)
        if not match or not is_next or headers.get("ETag") != self.tag:
            self.data.clear()
            raise TransientError(
                "the server sent a part of the body that was not requested"
            )
        self.total_bytes = int(match[2])
        return True

    def finish(self, max_bytes: int) -> bytes:
        """The whole body, checked and unpacked.

        Raises:
            TransientError: It is incomplete, or does not match its digest.
            TooLargeError: It is too large when unpacked.
        """
        got, data = len(self.data), bytes(self.data)
        if self.total_bytes is not None and got != self.total_bytes:
            if got > self.total_bytes:
                self.data.clear()
            raise TransientError(f"only {got} of {self.total_bytes} bytes came")
        body = _unpacked(data, max_bytes) if self.is_gzip else data
        if self.md5 and self.md5 not in (_md5(data), _md5(body)):
            self.data.clear()
            raise TransientError("the body does not match its Content-MD5")
        return body


def retry_after_seconds(header: str | None, now: datetime) -> float:
    """How long a server asks to wait: seconds or a date in the header (RFC 9110)."""
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

    The delay doubles. A random fraction spreads out requests that failed together.
    """
    longest_seconds = FIRST_DELAY_SECONDS * float(2 ** min(attempt, 30))
    return min(longest_seconds, MAX_DELAY_SECONDS) * (1 + fraction) / 2


class Downloader:
    """Fetches bodies; use it in the event loop that created it."""

    def __init__(
        self, limiter: RateLimiter, patience: Patience, concurrency: int
    ) -> None:
        self._limiter = limiter
        self._patience = patience
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=concurrency),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS
            ),
            # Length, range and digest are then about the same bytes.
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
        """The body at an address.

        Transient failures are tried again, from where the body broke off if the server
        can continue it.

        Args:
            url: The address, encoded.
            max_bytes: The largest body to accept.
            headers: Sent in addition to the usual ones.

        Raises:
            DownloadError: One of its kinds above.
        """
        part = PartialBody()
        before = self._patience.successes
        for attempt in itertools.count(1):
            try:
                await self._wait_for_turn()
                body = await self._try(url, part, max_bytes, headers or {})
            except (TransientError, aiohttp.ClientError, OSError) as error:
                await self._failed(error, attempt, before)
            else:
                self._patience.succeeded()
                return body
        raise AssertionError  # the loop above has no end

    async def _wait_for_turn(self) -> None:
        seconds = self._limiter.wait_seconds()
        if self._patience.stopping.is_set() or (
            seconds > 0 and not await self._patience.pause(seconds)
        ):
            raise StoppedError("stopped")

    async def _failed(self, error: Exception, attempt: int, before: int) -> None:
        """Waits before the next attempt.

        Raises:
            DownloadError: No further attempt is to be made.
        """
        text = str(error) if isinstance(error, TransientError) else one_line(error)
        self._patience.failed(text)
        if attempt >= MAX_ATTEMPTS and self._patience.successes > before:
            raise RepeatedFailureError(f"failed {attempt} times: {text}") from None
        # Jitter is no secret.
        seconds = delay_seconds(attempt, random.random())  # noqa: S311
        if isinstance(error, TransientError) and error.wait_seconds:
            seconds = error.wait_seconds
            if seconds > self._patience.seconds:
                raise GaveUpError(
                    f"{text}: the server asks to wait {seconds:.0f} s, longer than "
                    "--patience"
                )
            self._limiter.pause(seconds)
        if not await self._patience.pause(seconds):
            raise StoppedError("stopped")

    async def _try(
        self, url: str, part: PartialBody, max_bytes: int, headers: Mapping[str, str]
    ) -> bytes:
        # The CDN in front of the archive supports `Range`, not Azure's `x-ms-range`
        # (insights-docs, docs/iris_archive.md).
        if part.data:
            headers = {**headers, "Range": f"bytes={len(part.data)}-"}
        # `encoded`: the names of blobs are data; a `..` in one must not be resolved.
        target = URL(url, encoded=True)
        async with self._session.get(target, headers=headers) as answer:
            if answer.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                await self._raise_for_status(answer, part)
            part.begin(answer.status, answer.headers)
            async for chunk in answer.content.iter_any():
                part.data += chunk
                if len(part.data) > max_bytes:
                    raise TooLargeError(f"more than {max_bytes} bytes")
        return part.finish(max_bytes)

    async def _raise_for_status(
        self, answer: aiohttp.ClientResponse, part: PartialBody
    ) -> None:
        """Raises the error that the status stands for."""
        status = answer.status
        body = await answer.content.read(MAX_ERROR_BYTES)
        text = f"HTTP {status} {answer.reason or ''}".rstrip()
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.data.clear()
        if status in TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            header = answer.headers.get("Retry-After")
            raise TransientError(text, retry_after_seconds(header, datetime.now(UTC)))
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
    """Unpacks a gzipped body, up to the limit."""
    unpacker: Any = zlib.decompressobj(wbits=31)
    try:
        body = bytes(unpacker.decompress(data, max_bytes + 1))
    except zlib.error as error:
        raise TransientError(f"the body is not gzip: {error}") from None
    if len(body) > max_bytes:
        raise TooLargeError(f"more than {max_bytes} bytes")
    if not unpacker.eof:
        raise TransientError("the gzipped body is cut short")
    return body
