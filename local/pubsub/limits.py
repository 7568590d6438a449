"""The limits of the real Pub/Sub, as pure checks.

Source: https://cloud.google.com/pubsub/quotas#resource_limits and the comments of
google/pubsub/v1/pubsub.proto. Google's own emulator ignores the limits of attributes;
here they apply, so that what works on this machine works in the cloud.
"""

import re
from collections.abc import Iterable
from typing import Any

import grpc

Message = Any  # protobuf messages and their fields come untyped

MAX_DATA_BYTES = 10_000_000
MAX_MESSAGES = 1000
MAX_ATTRIBUTES = 100
MAX_KEY_BYTES = 256
MAX_VALUE_BYTES = 1024
# The service's minimum is 10 s; Google's emulator accepts 1 s, for quick tests.
ACK_DEADLINE_SECONDS = range(1, 601)
# 0 ends the lease at once: "nack".
EXTENSION_SECONDS = range(601)
DEFAULT_ACK_DEADLINE_SECONDS = 10
DELIVERY_ATTEMPTS = range(5, 101)
DEFAULT_DELIVERY_ATTEMPTS = 5

NAME = re.compile(
    r"projects/[^/]+/(?P<kind>topics|subscriptions)"
    r"/(?!goog)[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}"
)
ACK_ID = re.compile(r"[0-9]{1,18}")


class RefusalError(Exception):
    """A request that Pub/Sub answers with an error status."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


def invalid(details: str) -> RefusalError:
    """The refusal of a request that is wrong in itself."""
    return RefusalError(grpc.StatusCode.INVALID_ARGUMENT, details)


def check_name(name: str, kind: str) -> None:
    """Refuses a name that a new topic or subscription cannot have.

    Args:
        name: `projects/PROJECT/topics/ID`, or `subscriptions` likewise.
        kind: `topics` or `subscriptions`.

    Raises:
        RefusalError: INVALID_ARGUMENT.
    """
    match = NAME.fullmatch(name)
    if not match or match["kind"] != kind:
        raise invalid(f"Invalid [{kind}] name: (name={name})")


def check_messages(messages: Message) -> None:
    """Refuses the messages of a publish request that the service would refuse.

    Raises:
        RefusalError: INVALID_ARGUMENT, naming the message by its index.
    """
    if not 1 <= len(messages) <= MAX_MESSAGES:
        raise invalid(f"A publish request has 1 to {MAX_MESSAGES} messages.")
    for index, message in enumerate(messages):
        if fault := _fault(message.data, message.attributes):
            raise invalid(f"Message {index}: {fault}.")


def _fault(data: bytes, attributes: Message) -> str | None:
    if len(data) > MAX_DATA_BYTES:
        return f"{len(data)} bytes of data, the limit is {MAX_DATA_BYTES}"
    if not data and not attributes:
        return "neither data nor attributes"
    if len(attributes) > MAX_ATTRIBUTES:
        return f"{len(attributes)} attributes, the limit is {MAX_ATTRIBUTES}"
    for key, value in attributes.items():
        if not key or key.startswith("goog"):
            return f"attribute key {key!r} is empty or begins with 'goog'"
        if len(key.encode()) > MAX_KEY_BYTES:
            return f"an attribute key is over {MAX_KEY_BYTES} bytes"
        if len(value.encode()) > MAX_VALUE_BYTES:
            return f"the value of attribute {key!r} is over {MAX_VALUE_BYTES} bytes"
    return None


def complete_subscription(config: Message) -> None:
    """Fills in the defaults of a subscription and checks its settings.

    Raises:
        RefusalError: INVALID_ARGUMENT for a value out of bounds; UNIMPLEMENTED for a
            kind of subscription that this server does not support.
    """
    if config.filter or config.push_config.push_endpoint:
        raise RefusalError(
            grpc.StatusCode.UNIMPLEMENTED,
            "The embedded Pub/Sub serves pull subscriptions without a filter.",
        )
    config.ack_deadline_seconds = (
        config.ack_deadline_seconds or DEFAULT_ACK_DEADLINE_SECONDS
    )
    check_seconds(config.ack_deadline_seconds, ACK_DEADLINE_SECONDS)
    if config.HasField("dead_letter_policy"):
        policy = config.dead_letter_policy
        policy.max_delivery_attempts = (
            policy.max_delivery_attempts or DEFAULT_DELIVERY_ATTEMPTS
        )
        if policy.max_delivery_attempts not in DELIVERY_ATTEMPTS:
            raise invalid("max_delivery_attempts must be between 5 and 100.")


def check_seconds(seconds: int, bounds: range) -> None:
    """Refuses an acknowledgement deadline outside its bounds.

    Raises:
        RefusalError: INVALID_ARGUMENT.
    """
    if seconds not in bounds:
        raise invalid(
            f"An ack deadline is {bounds[0]} to {bounds[-1]} s, not {seconds}."
        )


def positions(ack_ids: Iterable[str]) -> list[int]:
    """Returns the positions that acknowledgement ids name.

    Raises:
        RefusalError: INVALID_ARGUMENT for an id that this server never returned.
    """
    ack_ids = list(ack_ids)
    for ack_id in ack_ids:
        if not ACK_ID.fullmatch(ack_id):
            raise invalid(f"Invalid ack id (ack_id={ack_id})")
    return [int(ack_id) for ack_id in ack_ids]
