"""Failure: what went wrong that is not a mistake of the caller."""

from collections.abc import Iterator
from contextlib import contextmanager

from google.api_core.exceptions import (
    GoogleAPICallError,
    RetryError,
    ServiceUnavailable,
)
from google.auth.exceptions import GoogleAuthError
from requests.exceptions import RequestException

from command.text import first_line


class ReadError(RuntimeError):
    """The tables cannot be read; the text says why, in one line."""


class NoAnswerError(ReadError):
    """BigQuery does not answer at all: it may later."""


@contextmanager
def in_one_line() -> Iterator[None]:
    """Turns an error of Google's libraries into one line.

    Raises:
        ReadError: Instead of theirs.
        NoAnswerError: The same, if trying again may help.
    """
    try:
        yield
    except GoogleAuthError as error:
        text = (
            f"no credentials for BigQuery ({first_line(error)}): run "
            "`gcloud auth application-default login`"
        )
    except RequestException:
        cut = "BigQuery does not answer: there is no connection, or it was cut"
        raise NoAnswerError(cut) from None
    except (RetryError, ServiceUnavailable) as error:
        why = " ".join(first_line(error).split())
        raise NoAnswerError(f"BigQuery does not answer: {why}") from None
    except GoogleAPICallError as error:
        reasons = (problem.get("message") for problem in error.errors or ())
        reason = next(filter(None, reasons), first_line(error))
        text = f"BigQuery refused: {' '.join(str(reason).split())}"
    else:
        return
    raise ReadError(text) from None
