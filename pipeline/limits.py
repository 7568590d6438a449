"""When a drain ends."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """When a drain ends, besides when the subscription is empty.

    Attributes:
        max_messages: After so many messages.
        max_seconds: After the round during which so much time has passed.
        every_seconds: It does not end, and drains again so often; None for once.
    """

    max_messages: int | None = None
    max_seconds: float | None = None
    every_seconds: float | None = None
