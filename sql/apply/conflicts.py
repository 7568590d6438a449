"""Conflicts: a change that meets another one of the same table is made again.

BigQuery refuses it then, for example of an `apply` that was ended while its last
statement still runs.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

ATTEMPTS, PAUSE_SECONDS = 5, 1.0

Done = TypeVar("Done")


def run(client: bigquery.Client, script: str) -> None:
    """Runs statements that create or replace, so that each may be run twice.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: BigQuery refused.
    """
    outlasting(lambda: client.query(script).result())


def outlasting(change: Callable[[], Done]) -> Done:
    """Makes a change, again if it met another one; it may be made twice."""
    for _ in range(ATTEMPTS - 1):
        try:
            return change()
        except BadRequest as error:
            if not _is_conflict(str(error)):
                raise
        time.sleep(PAUSE_SECONDS)  # the other one is short
    return change()


def _is_conflict(text: str) -> bool:
    return "conflict" in text or "concurrent" in text
