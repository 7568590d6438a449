"""What a failed session advises."""

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.servicebus.exceptions import (
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusConnectionError,
    ServiceBusError,
    ServiceBusQuotaExceededError,
)

from bridge.iris_queue import advice

EXPIRED = ClientAuthenticationError("AADSTS7000222: the client secret is expired")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (EXPIRED, "IRIS_CLIENT_SECRET"),
        (ServiceBusError(message="Handler failed", error=EXPIRED), "expired secret"),
        (ServiceBusAuthenticationError(message="no"), "IRIS_CLIENT_SECRET"),
        (ServiceBusAuthorizationError(message="no"), "IRIS_QUEUE_NAME"),
        (MessagingEntityNotFoundError(message="no"), "IRIS_QUEUE_NAME"),
        (
            ServiceBusConnectionError(message="CERTIFICATE_VERIFY_FAILED"),
            "clock and certificates",
        ),
        (ServiceBusQuotaExceededError(message="no"), "one client per queue"),
        (TimeoutError(), "network"),
    ],
)
def test_the_advice_names_what_to_look_at(error: Exception, expected: str) -> None:
    assert expected in advice(error)
