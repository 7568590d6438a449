"""Patience: a request to Google is repeated until it has been answered for good."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError
from google.auth.exceptions import GoogleAuthError

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 30.0
# A table that was just created can be unknown to the insert service for a while.
NOT_FOUND_ATTEMPTS = 4
# The service's answers that speak of what was sent, and will not change.
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

Answer = TypeVar("Answer")
_log = logging.getLogger(__name__)


def until_answered(
    ask: Callable[[], Answer],
    waiting: str,
    not_found_attempts: int = NOT_FOUND_ATTEMPTS,
) -> Answer:
    """Asks until the service has said something about what it was asked.

    No connection, a fault of the service, a quota and a missing permission say nothing
    of that: they are waited for, however long it takes.

    Args:
        ask: One request.
        waiting: What waits meanwhile, for the log.
        not_found_attempts: How often a table may be unknown until it is missing.

    Raises:
        GoogleAPICallError: The service refused, and will refuse again.
        FileNotFoundError: What was to be sent is no longer there.
    """
    pause, not_found = FIRST_PAUSE_SECONDS, 0
    while True:
        try:
            return ask()
        except GoogleAPICallError as error:
            not_found += error.code == HTTPStatus.NOT_FOUND
            if error.code in _REFUSALS or not_found >= not_found_attempts:
                raise
            _log.warning("%s wait: %s", waiting, error)
        except FileNotFoundError:
            raise  # the run has failed elsewhere, and taken its files away
        except (GoogleAPIError, GoogleAuthError, OSError) as error:
            # Of a deadline the client tells no more than the kind.
            _log.warning("%s wait: %s", waiting, str(error) or type(error).__name__)
        time.sleep(pause)  # back-pressure: what waits stays where it is safe
        pause = min(pause * 2, MAX_PAUSE_SECONDS)
