"""Google's REST APIs: a thin client, for the checks in `google_checks.py`."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Self

import google.auth
import google.auth.credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.credentials import Credentials
from requests import Response, Session
from requests.exceptions import RequestException

from command.text import first_line

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
ANSWER_SECONDS = 30.0
# Long enough for a dozen requests.
TOKEN_LIFETIME = "300s"  # noqa: S105 - not a password


class RefusedError(Exception):
    """An API refused a request, or did not answer.

    Attributes:
        code: The HTTP status; 0 if there was no answer.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code

    @property
    def is_missing(self) -> bool:
        """Whether the requested thing does not exist."""
        return self.code == HTTPStatus.NOT_FOUND


class GoogleApi:
    """The APIs, as one account sees them.

    Args:
        session: It sends requests with that account's token.
        base: The address of a server that replaces all of them: `http://HOST:PORT`.
    """

    def __init__(self, session: Session, base: str | None = None) -> None:
        self._session = session
        self._base = base

    def get(
        self, host: str, path: str, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """A GET of `https://HOST.googleapis.com/PATH`.

        Raises:
            RefusedError: The API refused, or did not answer.
        """
        return self._ask("GET", host, path, params=params)

    def post(self, host: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A POST of a JSON document.

        Raises:
            RefusedError: The API refused, or did not answer.
        """
        return self._ask("POST", host, path, json=body)

    def impersonating(self, account: str) -> Self:
        """The APIs as a service account sees them.

        Raises:
            RefusedError: The caller has no permission, or the account does not exist.
        """
        answer = self.post(
            "iamcredentials",
            f"v1/projects/-/serviceAccounts/{account}:generateAccessToken",
            {"scope": [SCOPE], "lifetime": TOKEN_LIFETIME},
        )
        credentials = Credentials(answer["accessToken"])  # type: ignore[no-untyped-call] # google-auth
        return type(self)(_session(credentials), self._base)

    def _ask(self, method: str, host: str, path: str, **options: Any) -> dict[str, Any]:
        root = (
            f"{self._base}/{host}" if self._base else f"https://{host}.googleapis.com"
        )
        try:
            response = self._session.request(
                method, f"{root}/{path}", timeout=ANSWER_SECONDS, **options
            )
        except (RequestException, GoogleAuthError) as error:
            raise RefusedError(0, f"{host}: {first_line(error)}") from None
        return _document(host, response)


def connect(project: str) -> GoogleApi:
    """The APIs as the caller sees them.

    Raises:
        google.auth.exceptions.DefaultCredentialsError: There are no credentials.
    """
    credentials, _ = google.auth.default(scopes=[SCOPE])
    if isinstance(credentials, Credentials) and not credentials.quota_project_id:
        # Some APIs refuse a user's credentials if they name no project for the quota.
        credentials = credentials.with_quota_project(project)
    return GoogleApi(_session(credentials))


def _session(credentials: google.auth.credentials.Credentials) -> Session:
    return AuthorizedSession(credentials)  # type: ignore[no-untyped-call] # google-auth


def _document(host: str, response: Response) -> dict[str, Any]:
    try:
        document = response.json()
    except RequestException:
        document = None
    if response.ok and isinstance(document, dict):
        return document
    text = response.reason
    if isinstance(document, dict) and isinstance(document.get("error"), dict):
        text = str(document["error"].get("message", text))
    line = text.splitlines()[0] if text else "no reason given"
    raise RefusedError(response.status_code, f"{host}: {response.status_code} {line}")
