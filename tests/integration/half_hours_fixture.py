"""Half-hours of days in London, for models that count instants alone."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")
HALF_HOUR = timedelta(minutes=30)
# Days with 48, 46 and 50 half-hours.
DAY, SPRING, AUTUMN = date(2026, 5, 6), date(2026, 3, 29), date(2026, 10, 25)
DAYS = (DAY, SPRING, AUTUMN)


def midnight(day: date) -> datetime:
    """When the day begins in London, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=LONDON).astimezone(UTC)


def half_hours(day: date) -> list[datetime]:
    """The instants at which its half-hours begin."""
    begin, end = midnight(day), midnight(day + timedelta(days=1))
    return [begin + HALF_HOUR * number for number in range((end - begin) // HALF_HOUR)]


def period_of(start: datetime) -> dict[str, Any]:
    """The columns that name the half-hour of an instant."""
    day = start.astimezone(LONDON).date()
    return {
        "startTime": start.isoformat(),
        "settlementDate": day.isoformat(),
        "settlementPeriod": (start - midnight(day)) // HALF_HOUR + 1,
    }
