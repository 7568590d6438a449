"""Diagnosis: what a failed session means, and what to do, in one line. Pure."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from azure.core.exceptions import (
    ClientAuthenticationError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.servicebus.exceptions import (
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusQuotaExceededError,
)

from bridge import sharing
from bridge.settings import PORTAL


class Diagnosis(NamedTuple):
    """What is wrong.

    Attributes:
        text: It and what to do, in one line.
        is_final: Whether the user must correct something: waiting does not help.
    """

    text: str
    is_final: bool


_SECRET_WRONG = (
    "IRIS_CLIENT_SECRET is wrong: copy the whole secret again, or create a new one at "
    + PORTAL
)
_TENANT_WRONG = "IRIS_TENANT_ID is wrong: leave it out, the default is Elexon's"
# https://learn.microsoft.com/entra/identity-platform/reference-error-codes
ENTRA_CODES = {
    "AADSTS7000215": _SECRET_WRONG,
    "AADSTS7000222": f"IRIS_CLIENT_SECRET has expired: create a new one at {PORTAL}",
    "AADSTS7000112": "Elexon has disabled this IRIS_CLIENT_ID: register again at "
    + PORTAL,
    "AADSTS700016": f"IRIS_CLIENT_ID is wrong: copy it again from {PORTAL} "
    "(and leave out IRIS_TENANT_ID, if it is set)",
    "AADSTS90002": _TENANT_WRONG,
    "AADSTS900021": _TENANT_WRONG,
    "AADSTS900023": _TENANT_WRONG,
}
_ENTRA_CODE = re.compile(r"AADSTS\d+")

_WRONG_QUEUE = (
    "IRIS_QUEUE_NAME is wrong: there is no such queue, or this client may not read it; "
    f"copy its name again from {PORTAL}"
)
_CERTIFICATE = (
    "the certificate of the server is not accepted: check the clock of this machine; "
    "in a network that inspects TLS, set SSL_CERT_FILE to its certificates"
)
_NO_ENTRA = (
    "Entra ID cannot be reached: check the network, and HTTPS_PROXY if it is set"
)
_NO_WAY = (
    "no connection: check the network, and that it allows port 5671 (and "
    "IRIS_NAMESPACE, if it is set)"
)


def diagnose(error: BaseException) -> Diagnosis:
    """What an error of the queue or of its credentials means."""
    causes = [*_causes(error)]
    if any(isinstance(cause, ClientAuthenticationError) for cause in causes):
        return _refused_by_entra(causes)
    if isinstance(error, MessagingEntityNotFoundError | ServiceBusAuthorizationError):
        return Diagnosis(_WRONG_QUEUE, is_final=True)
    if isinstance(error, ServiceBusQuotaExceededError):
        return Diagnosis(sharing.ADVICE, is_final=False)
    if any("certificate" in str(cause).lower() for cause in causes):
        return Diagnosis(_CERTIFICATE, is_final=True)
    # Only the credential uses HTTP.
    if any(
        isinstance(each, ServiceRequestError | ServiceResponseError) for each in causes
    ):
        return Diagnosis(_NO_ENTRA, is_final=False)
    if isinstance(error, ServiceBusAuthenticationError):
        text = (
            "the queue does not accept the credentials: check them, and IRIS_TENANT_ID"
        )
        return Diagnosis(text, is_final=False)
    return Diagnosis(_NO_WAY, is_final=False)


def _refused_by_entra(causes: list[BaseException]) -> Diagnosis:
    found = _ENTRA_CODE.search(" ".join(str(cause) for cause in causes))
    code = found[0] if found else "no code"
    text = ENTRA_CODES.get(
        code,
        "Entra ID refuses the credentials: check IRIS_CLIENT_ID, IRIS_CLIENT_SECRET "
        "and IRIS_TENANT_ID",
    )
    return Diagnosis(f"{text} ({code})", is_final=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and what lies behind it: the SDK wraps what the credential raised."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = getattr(seen, "inner_exception", None) or seen.__cause__
