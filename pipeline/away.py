"""Away: a service that does not answer for a while, which is nobody's mistake."""

from google.api_core.exceptions import RetryError, ServerError, TooManyRequests
from google.auth.exceptions import TransportError
from requests.exceptions import RequestException

from command.usage import UsageError

# Errors that end by themselves.
AWAY = (RetryError, ServerError, TooManyRequests, TransportError, RequestException)


class UnreachableError(UsageError):
    """A service does not answer: it may be away for a while, or not exist."""


class NotStartedError(UnreachableError):
    """A local server does not answer; the user must start it."""
