"""Requests to a queue's management node: those that the SDKs send to a queue.

The operations and their fields are in "AMQP 1.0 in Azure Service Bus: request-response
operations" (learn.microsoft.com).
"""

import uuid
from collections.abc import Callable
from typing import Any, cast

from proton import UNDESCRIBED, Array, Data, timestamp

from local.simulator.amqp import encode_delivery
from local.simulator.message_queue import MessageQueue, Outcome

LOCK_LOST = "com.microsoft:message-lock-lost"

_DISPOSITION_STATUS = {
    "completed": Outcome.COMPLETE,
    "abandoned": Outcome.ABANDON,
    "suspended": Outcome.DEAD_LETTER,
    "defered": Outcome.DEFER,  # the service's own spelling
}

Reply = tuple[int, str | None, object]
"""Status code, error condition and body of the answer to a request."""

Operation = Callable[[MessageQueue, dict[str, Any], float], Reply]


def manage(queue: MessageQueue, operation: str, body: object, now: float) -> Reply:
    """Performs one request; `body` is its map, as decoded from AMQP."""
    handler = _OPERATIONS.get(operation)
    if handler is None:
        return 501, "amqp:not-implemented", None
    try:
        return handler(queue, cast(dict[str, Any], body), now)
    except (KeyError, TypeError, ValueError):
        return 400, "amqp:invalid-field", None


def _renew_locks(queue: MessageQueue, body: dict[str, Any], now: float) -> Reply:
    ends = [queue.renew(token, now) for token in _tokens(body)]
    if None in ends:
        return 410, LOCK_LOST, None
    stamps = [timestamp(int(end * 1000)) for end in ends if end is not None]
    return 200, None, {"expirations": Array(UNDESCRIBED, Data.TIMESTAMP, *stamps)}


def _update_disposition(queue: MessageQueue, body: dict[str, Any], now: float) -> Reply:
    outcome = _DISPOSITION_STATUS[body["disposition-status"]]
    texts = body.get("deadletter-reason"), body.get("deadletter-description")
    done = [queue.settle(token, outcome, now, *texts) for token in _tokens(body)]
    return (200, None, None) if all(done) else (410, LOCK_LOST, None)


def _peek(queue: MessageQueue, body: dict[str, Any], now: float) -> Reply:
    entries = queue.peek(body["from-sequence-number"], body["message-count"])
    if not entries:
        return 204, None, None
    return 200, None, {"messages": [{"message": encode_delivery(e)} for e in entries]}


def _receive_deferred(queue: MessageQueue, body: dict[str, Any], now: float) -> Reply:
    taken = [queue.take_deferred(number, now) for number in body["sequence-numbers"]]
    entries = [entry for entry in taken if entry is not None]
    if not entries:
        return 404, "com.microsoft:message-not-found", None
    messages = [
        {"message": encode_delivery(entry), "lock-token": entry.token}
        for entry in entries
    ]
    return 200, None, {"messages": messages}


_OPERATIONS: dict[str, Operation] = {
    "com.microsoft:renew-lock": _renew_locks,
    "com.microsoft:update-disposition": _update_disposition,
    "com.microsoft:peek-message": _peek,
    "com.microsoft:receive-by-sequence-number": _receive_deferred,
}


def _tokens(body: dict[str, Any]) -> list[uuid.UUID]:
    return [uuid.UUID(str(token)) for token in body["lock-tokens"]]
