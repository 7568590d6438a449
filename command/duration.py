"""A duration as a user types it: `90`, `60s`, `5m`, `1.5h`."""

import re
from decimal import Decimal

_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def seconds_in(text: str) -> Decimal | None:
    """The seconds in a text; None if it is not a duration, or 0."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([smh]?)", text, re.ASCII)
    return (Decimal(match[1]) * _UNIT_SECONDS[match[2]] or None) if match else None
