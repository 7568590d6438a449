"""The reference list: read from a file or from Elexon, and made rows."""

import datetime as dt
import json
import math
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any

from command.usage import UsageError
from sql.tables import REFERENCE_UNITS

# Some 3,000 units are 2 MB.
MAX_BYTES = 100_000_000
TIMEOUT_SECONDS = 60
_NAMES = ("nationalGridBmUnit", "elexonBmUnit")
# The columns that are fields of the list.
_FIELDS = {
    column.name: column.type
    for column in REFERENCE_UNITS.columns
    if column.name not in ("loaded_utc", "extra")
}


def read_file(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"--file: {path} cannot be read: {error.strerror}") from error


def fetch(url: str) -> bytes:
    """The answer of a server.

    Raises:
        UsageError: The address is not one of HTTP.
        ConnectionError: The server does not answer, or refuses.
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"--url: {url!r} is not an address (https://...)")
    request = urllib.request.Request(  # noqa: S310 the scheme is checked
        url, headers={"Accept": "application/json"}
    )
    try:
        with urllib.request.urlopen(  # noqa: S310 the same
            request, timeout=TIMEOUT_SECONDS
        ) as answer:
            body: bytes = answer.read(MAX_BYTES + 1)
    except (OSError, HTTPException) as error:
        raise ConnectionError(f"{url}: {error}") from error
    if len(body) > MAX_BYTES:
        raise ConnectionError(f"{url}: the answer is larger than {MAX_BYTES:,} bytes")
    return body


def units_of(body: bytes) -> list[dict[str, Any]]:
    """The units of a list: a JSON array, bare or as `data` of an object.

    Raises:
        UsageError: It is not such a list, or has no unit.
    """
    try:
        document = json.loads(body)
    except ValueError as error:
        raise UsageError(f"the list of units is not JSON: {error}") from error
    units = document.get("data") if isinstance(document, dict) else document
    if not isinstance(units, list) or not all(isinstance(u, dict) for u in units):
        raise UsageError("the list of units is not a JSON array of objects")
    named = [unit for unit in units if any(_text(unit.get(n)) for n in _NAMES)]
    if not named:
        raise UsageError(
            "the list of units names no unit: each needs a nationalGridBmUnit or an "
            "elexonBmUnit"
        )
    return named


def rows_of(
    units: Sequence[dict[str, Any]], loaded: dt.datetime
) -> list[dict[str, Any]]:
    """The rows of `gb_reference_units`.

    Elexon sends capacities as text. What is not a number stays in `extra`.

    Args:
        units: The units of the list.
        loaded: When the list is loaded.
    """
    return [_row(unit) | {"loaded_utc": loaded.isoformat()} for unit in units]


def _row(unit: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in unit.items():
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        converted = _converted(value, _FIELDS.get(name))
        if converted is None:
            extra[name] = value
        else:
            row[name] = converted
    if extra:
        row["extra"] = json.dumps(extra, ensure_ascii=False, sort_keys=True)
    return row


def _converted(value: Any, kind: str | None) -> Any:
    """The value of a column; None if it is not one of its type."""
    if kind == "STRING":
        return _text(value)
    if kind == "BOOL":
        return value if isinstance(value, bool) else None
    if kind == "FLOAT64" and not isinstance(value, bool):
        try:
            number = float(value)
        except (TypeError, ValueError):
            return None
        return number if math.isfinite(number) else None
    return None


def _text(value: Any) -> str | None:
    """A text without spaces around it; None if there is none."""
    return (value.strip() or None) if isinstance(value, str) else None
