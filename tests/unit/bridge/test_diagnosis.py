"""Diagnosis: what a failed session means."""

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.servicebus.exceptions import (
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusConnectionError,
    ServiceBusError,
    ServiceBusQuotaExceededError,
)

from bridge.diagnosis import ENTRA_CODES, diagnose

EXPIRED = ClientAuthenticationError("AADSTS7000222: the client secret is expired")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (EXPIRED, "IRIS_CLIENT_SECRET has expired"),
        (ServiceBusError(message="Handler failed", error=EXPIRED), "has expired"),
        (ServiceBusAuthenticationError(message="no"), "credentials"),
        (ServiceBusAuthorizationError(message="no"), "IRIS_QUEUE_NAME"),
        (MessagingEntityNotFoundError(message="no"), "IRIS_QUEUE_NAME"),
        (
            ServiceBusConnectionError(message="CERTIFICATE_VERIFY_FAILED"),
            "SSL_CERT_FILE",
        ),
        (ServiceBusQuotaExceededError(message="no"), "one client per queue"),
        (TimeoutError(), "port 5671"),
        (
            ServiceBusError(message="Handler failed", error=ServiceRequestError("no")),
            "Entra ID cannot be reached",
        ),
    ],
)
def test_it_names_what_to_look_at(error: Exception, expected: str) -> None:
    assert expected in diagnose(error).text


@pytest.mark.parametrize("code", ENTRA_CODES)
def test_what_entra_id_refuses_is_final_and_has_its_code(code: str) -> None:
    error = ClientAuthenticationError(f"(invalid_client) {code}: Text. Trace ID: 1")
    diagnosis = diagnose(ServiceBusError(message="Handler failed", error=error))
    assert diagnosis.is_final
    assert f"({code})" in diagnosis.text
    assert "\n" not in diagnosis.text


def test_a_failure_without_a_code_is_not_taken_for_another() -> None:
    error = ClientAuthenticationError("AADSTS70002221: no such code")
    assert "IRIS_TENANT_ID (AADSTS70002221)" in diagnose(error).text


@pytest.mark.parametrize(
    "error", [ServiceBusConnectionError(message="refused"), TimeoutError(), OSError()]
)
def test_without_a_connection_waiting_may_help(error: Exception) -> None:
    assert not diagnose(error).is_final
