"""Patience: a request to Google is repeated until its answer is final.

A caller that has other tables to write gives a limit: then the table *waits*, and the
caller comes back to it later.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import TypeVar

from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from requests.exceptions import Timeout

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 30.0
# For a request beside others: three attempts, a fault of a moment.
BRIEF_SECONDS = 2.0
# A table that was just created can be unknown to the insert service for a while.
NOT_FOUND_ATTEMPTS = 4
# Answers that are about the request itself, and will not change.
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

# How long a request is repeated, where its caller does not say.
_LIMIT_SECONDS = ContextVar("limit_seconds", default=math.inf)

Answer = TypeVar("Answer")
log = logging.getLogger(__name__)


class TableWaitsError(Exception):
    """BigQuery has said nothing about the rows, and may accept them later."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """In this context, in this thread, each request is repeated for some time at most.

    For what takes several requests, such as a load.
    """
    token = _LIMIT_SECONDS.set(seconds)
    try:
        yield
    finally:
        _LIMIT_SECONDS.reset(token)


def is_limited() -> bool:
    """Whether a table may wait, in this context."""
    return _LIMIT_SECONDS.get() < math.inf


def until_answered(
    ask: Callable[[], Answer],
    waiting: str,
    not_found_attempts: int = NOT_FOUND_ATTEMPTS,
    limit_seconds: float = math.inf,
) -> Answer:
    """Sends a request until the service accepts or refuses it.

    Without a connection, after a fault of the service, over a quota or without a
    permission the request is repeated, by default however long that lasts.

    Args:
        ask: Sends the request once.
        waiting: For the log: the table and the rows that wait meanwhile.
        not_found_attempts: How often a table may be unknown before it is missing.
        limit_seconds: How long to repeat it, if the service answers, or takes too long;
            inside of `limited`, not longer than that.

    Raises:
        TableWaitsError: The limit has passed.
        GoogleAPICallError: The service refused, and will refuse again.
        FileNotFoundError: The file that it should send no longer exists.
    """
    pause, not_found = FIRST_PAUSE_SECONDS, 0
    deadline = time.monotonic() + min(limit_seconds, _LIMIT_SECONDS.get())
    while True:
        try:
            return ask()
        except GoogleAPICallError as error:
            not_found += error.code == HTTPStatus.NOT_FOUND
            if error.code in _REFUSALS or not_found >= not_found_attempts:
                raise
            reason, is_answer = str(error), True
        except FileNotFoundError:
            raise  # the run has failed elsewhere, and deleted its files
        except (GoogleAPIError, GoogleAuthError, OSError) as error:
            # The client's error for a deadline has no text.
            reason = str(error) or type(error).__name__
            # Without a connection no table is better off than this one.
            is_answer = isinstance(error, Timeout)
        if is_answer and time.monotonic() + pause > deadline:
            raise TableWaitsError(reason)
        log.warning("%s wait: %s", waiting, reason)
        time.sleep(pause)  # back-pressure: the rest waits in Pub/Sub, where it is safe
        pause = min(pause * 2, MAX_PAUSE_SECONDS)
