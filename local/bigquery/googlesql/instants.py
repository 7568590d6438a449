"""Text that stands for a TIMESTAMP, and names of time zones.

Sources: GoogleSQL's page on data types (timestamp type, time zones, daylight saving
time): of a local time that a clock shows twice, the earlier instant counts; one that
it skips is an hour later; abbreviations such as BST are not time zones.
"""

import functools
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytz

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
OFFSET = re.compile(r"(?:UTC)?([+-])(\d{1,2})(?::?(\d{1,2}))?")
TIMESTAMP = re.compile(
    r"(?P<year>\d{4,5})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"(?:[ Tt](?:(?P<hour>\d{1,2}):(?P<minute>\d{1,2}):(?P<second>\d{1,2})"
    r"(?:\.(?P<fraction>\d{1,6}))?)?(?P<zone>(?: UTC)?[+-].*|[Zz]| [^ +-].*)?)?"
)
PARTS = ("year", "month", "day", "hour", "minute", "second")
NAMES = frozenset(pytz.all_timezones)


@functools.lru_cache(1_000)
def zone(name: str) -> tzinfo:
    """The time zone of a name of the tz database, or of an offset such as +01:00.

    Raises:
        ValueError: There is none.
    """
    if found := OFFSET.fullmatch(name):
        hours, minutes = int(found[2]), int(found[3] or 0)
        if hours * 60 + minutes <= 14 * 60 and minutes < 60:
            offset = timedelta(hours=hours, minutes=minutes)
            return timezone(-offset if found[1] == "-" else offset)
    if name not in NAMES:
        raise ValueError(f"Invalid time zone: {name}")
    with pytz.open_resource(name) as file:
        return ZoneInfo.from_file(file, name)


def zone_name(name: str | None) -> str | None:
    """The name itself, if there is such a zone."""
    if name is not None:
        zone(name)
    return name


def microseconds(text: str | None, safe: bool, default_zone: str) -> int | None:
    """The microseconds since 1970 of a text that stands for a TIMESTAMP.

    Args:
        text: As `2026-05-06 12:00:00 Europe/London`.
        safe: Whether a wrong text has no value, or is an error.
        default_zone: The zone of a text without one.
    """
    if text is None:
        return None
    try:
        return _microseconds(text, default_zone)
    except ValueError:
        if safe:
            return None
        raise


def _microseconds(text: str, default_zone: str) -> int:
    parts = TIMESTAMP.fullmatch(text)
    if not parts:
        raise ValueError(f"Invalid timestamp: '{text}'")
    named = (parts["zone"] or "").removeprefix(" ")
    where = UTC if named in ("Z", "z", "UTC") else zone(named or default_zone)
    year, month, day, hour, minute, second = (int(parts[name] or 0) for name in PARTS)
    # A leap second is the next one.
    leap = timedelta(seconds=1 if second == 60 else 0)
    clock = (hour, minute, 59 if leap else second)
    fraction = int((parts["fraction"] or "").ljust(6, "0"))
    try:
        # fold=0: of two instants the earlier, of a gap the offset before it.
        local = datetime(year, month, day, *clock, fraction, tzinfo=where)
        return (local.astimezone(UTC) + leap - EPOCH) // MICROSECOND
    except (ValueError, OverflowError):
        raise ValueError(f"Invalid timestamp: '{text}'") from None
