"""The selection: what a viewer has chosen. It is the query of the address."""

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from command.usage import UsageError
from pipeline.registry import load_registry

LONDON = ZoneInfo("Europe/London")
ONE_DAY = dt.timedelta(days=1)
HALF_HOUR = dt.timedelta(minutes=30)
# The market began in 2001; around the ends of the calendar no day has a neighbour.
FIRST_YEAR, LAST_YEAR = 1990, 2199
# Names of units, as Elexon and the system operator make them: T_ABCD-1, 2__VCHRG001.
_UNIT = re.compile(r"[A-Za-z0-9_./& -]{1,40}", re.ASCII)

Selection = Mapping[str, Any]
"""The values of the fields that a tile or page takes; None for one that is left out."""


class Field(NamedTuple):
    """A field of the selection.

    Attributes:
        label: What the reader sees.
        parse: From the text of the address to a value; raises ValueError.
        text: And back.
        input: The type of the HTML input.
        example: What a text looks like, for an error.
        offered: Values that the input offers.
    """

    label: str
    parse: Callable[[str], Any]
    text: Callable[[Any], str]
    input: str
    example: str
    offered: Callable[[], Sequence[str]] = tuple


def _datasets() -> Sequence[str]:
    return sorted(load_registry())


def _instant(text: str) -> dt.datetime:
    found = dt.datetime.fromisoformat(text)
    if found.tzinfo is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ValueError(text)
    return found.astimezone(dt.UTC)


def _day(text: str) -> dt.date:
    found = dt.date.fromisoformat(text)
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ValueError(text)
    return found


def instant_text(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(text)
    return text == "1"


def _period(text: str) -> int:
    """A settlement period: the longest day has 50."""
    if not re.fullmatch(r"0?[1-9]|[1-4][0-9]|50", text, re.ASCII):
        raise ValueError(text)
    return int(text)


def _unit(text: str) -> str:
    if not _UNIT.fullmatch(text.strip()):
        raise ValueError(text)
    return text.strip()


def _dataset(text: str) -> str:
    if text.upper() not in load_registry():
        raise ValueError(text)
    return text.upper()


FIELDS: dict[str, Field] = {
    "dataset": Field("Dataset", _dataset, str, "search", "FREQ", _datasets),
    "at": Field("As of (UTC)", _instant, instant_text, "text", "2026-05-06T11:00Z"),
    "day": Field("Day", _day, str, "date", "2026-05-06"),
    "unit": Field("Unit", _unit, str, "search", "PILLB-1"),
    "first": Field("First day", _day, str, "date", "2026-05-05"),
    "first_period": Field("Its half-hour", _period, str, "number", "25"),
    "second": Field("Second day", _day, str, "date", "2026-05-06"),
    "second_period": Field("Its half-hour", _period, str, "number", "25"),
    "batteries": Field(
        "Batteries only", _flag, lambda on: str(int(on)), "checkbox", "1"
    ),
}


def parse(texts: Mapping[str, str], names: Sequence[str]) -> Selection:
    """The values of some fields; the others of an address do not matter.

    Raises:
        UsageError: A text is not a value of its field.
    """
    return {name: _value(name, texts.get(name, "")) for name in names}


def _value(name: str, text: str) -> Any:
    field = FIELDS[name]
    if not text:
        return None
    try:
        return field.parse(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{name}: {text[:60]!r} is not a value, such as {field.example}"
        ) from None


def usual_texts(names: Sequence[str]) -> dict[str, str]:
    """What some fields show while the viewer has chosen nothing."""
    today = london_day(dt.datetime.now(dt.UTC))
    usual = {"day": today, "second": today, "first": today - ONE_DAY}
    return {name: str(usual.get(name, "")) for name in names}


def midnight(day: dt.date) -> dt.datetime:
    """When a day begins in Great Britain, in UTC."""
    return dt.datetime.combine(day, dt.time(), LONDON).astimezone(dt.UTC)


def bounds(day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """The day in Great Britain: 46, 48 or 50 half-hours."""
    return midnight(day), midnight(day + ONE_DAY)


def london_day(at: dt.datetime) -> dt.date:
    return at.astimezone(LONDON).date()


def moment(selection: Selection, now: dt.datetime) -> dt.datetime:
    """The instant that the viewer has chosen, or now."""
    return selection.get("at") or now
