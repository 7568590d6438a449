"""Logs: JSON objects on standard error, one a line, without secrets."""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from datetime import UTC, datetime

# A shorter secret is part of ordinary words; real ones have 30 characters and more.
MIN_SECRET_CHARACTERS = 6
MASK = "***"

# An outage repeats one error at every attempt: it is logged once in this time.
REPEAT_SECONDS = 30.0


# The queue that a line is about, if there are several.
QUEUE: ContextVar[str | None] = ContextVar("queue", default=None)


class Redactor:
    """Removes known secrets from a text, as they are and as JSON writes them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        plain = [text for text in secrets if len(text) >= MIN_SECRET_CHARACTERS]
        escaped = [json.dumps(text)[1:-1] for text in plain]
        self._secrets = sorted({*plain, *escaped}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text with *** for every secret."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


class JsonFormatter(logging.Formatter):
    """Formats `{"time", "level", "logger", "message", ...}` and `extra["fields"]`.

    `severity` is the level under the name that Google's Cloud Logging looks for. The
    traceback of an exception, if the code logs one, is in `traceback`.
    """

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The line for one record."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "severity": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **({"queue": queue} if (queue := QUEUE.get()) else {}),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return self._redact(json.dumps(line, default=str))


class RepeatFilter(logging.Filter):
    """Lets one of many equal warnings pass in `window_seconds`, and counts the rest.

    Warnings are equal if message and `error` are. The next one that passes has the
    count in `suppressed`. Other levels always pass: each line is an event of its own.

    Attributes:
        seen: Time of the last line and number suppressed since, by kind of warning.
    """

    def __init__(
        self,
        window_seconds: float = REPEAT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._window_seconds = window_seconds
        self._clock = clock
        self.seen: dict[tuple[str | None, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write this record."""
        if record.levelno != logging.WARNING:
            return True
        now = self._clock()
        error = getattr(record, "fields", {}).get("error")
        key = (record.name, record.getMessage(), error, QUEUE.get())
        since, suppressed = self.seen.get(key, (-self._window_seconds, 0))
        if now - since < self._window_seconds:
            self.seen[key] = (since, suppressed + 1)
            return False
        self._forget(now)
        self.seen[key] = (now, 0)
        if suppressed:
            record.fields = getattr(record, "fields", {}) | {"suppressed": suppressed}
        return True

    def _forget(self, now: float) -> None:
        """Forgets warnings of long ago, so that memory stays bounded."""
        horizon = now - 10 * self._window_seconds
        self.seen = {k: v for k, v in self.seen.items() if v[0] > horizon}


def configure(redact: Redactor) -> None:
    """Sends all logs of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(redact))
    handler.addFilter(RepeatFilter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in ("azure", "google", "grpc", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # The AMQP client logs every lost link with a traceback; the bridge reports it in
    # one line when it opens the next session.
    logging.getLogger("azure.servicebus").setLevel(logging.CRITICAL)
    # asyncio logs each write to such a link.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
