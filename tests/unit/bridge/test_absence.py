"""A bridge that was away too long says so, and no other."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.absence import AbsenceDetector
from bridge.envelope import rfc3339
from bridge.progress import Progress

QUEUE = "iris at elexon-insights-iris.servicebus.windows.net"
NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COMMAND = "python -m bridge backfill"


def read(**ago: timedelta) -> Progress:
    """A progress whose datasets were last queued this long ago."""
    reading = Progress(QUEUE)
    for dataset, away in ago.items():
        reading.note_published(dataset, rfc3339(NOW - away))
    return reading


def batch(**ago: timedelta) -> list[tuple[str, str]]:
    return [(dataset, rfc3339(NOW - away)) for dataset, away in ago.items()]


def test_four_days_away_are_reported_with_the_command_and_by_dataset(
    said: list[str],
) -> None:
    watch = AbsenceDetector(read(FREQ=4 * DAY, MID=4 * DAY + HOUR, SYS_WARN=90 * DAY))
    watch.session_opened(NOW)
    assert said == []  # the first batch shows what is left
    watch.received(batch(MID=3 * DAY - HOUR, NEW=HOUR))
    assert said == [
        "the queue was read until 2026-05-06T12:00:00Z, and IRIS keeps a message for 3 "
        f"days; messages expired unread, fetch them with {COMMAND} "
        "--from 2026-05-06T11:50:00Z --to 2026-05-07T13:10:00Z",
        "MID: messages between 2026-05-06T11:00:00.000Z (last published) and "
        "2026-05-07T13:00:00.000Z (first after) may have expired",
    ]
    watch.received(batch(MID=HOUR))
    watch.received(batch(FREQ=HOUR))
    assert [text.split(":")[0] for text in said[2:]] == ["FREQ"]
    # From here on nothing is missing: a rare dataset may take its time.
    watch.received(batch(FREQ=-HOUR))
    watch.received(batch(SYS_WARN=-2 * HOUR))
    assert len(said) == 3


def test_a_first_message_after_the_return_is_no_evidence(said: list[str]) -> None:
    watch = AbsenceDetector(read(FREQ=4 * DAY, SYS_WARN=90 * DAY))
    watch.session_opened(NOW)
    watch.received(batch(SYS_WARN=-HOUR))
    assert len(said) == 1
    assert COMMAND in said[0]


@pytest.mark.parametrize(
    "reading",
    [
        Progress(QUEUE),  # the first run of all
        read(FREQ=3 * DAY - HOUR, SYS_WARN=90 * DAY),  # a rare dataset is no absence
        read(FREQ=HOUR),
    ],
)
def test_a_bridge_that_was_not_away_too_long_says_nothing(
    reading: Progress, said: list[str]
) -> None:
    watch = AbsenceDetector(reading)
    watch.session_opened(NOW)
    watch.received(batch(FREQ=2 * DAY, SYS_WARN=HOUR))
    watch.found_empty(NOW)
    assert said == []


def test_a_queue_of_rare_datasets_only_is_read_while_it_is_silent(
    said: list[str],
) -> None:
    watch = AbsenceDetector(read(SYS_WARN=90 * DAY))
    watch.session_opened(NOW - 5 * DAY)
    watch.found_empty(NOW - 5 * DAY)
    said.clear()
    for hours in range(0, 5 * 24, 6):  # silence ends a session, the next one asks again
        watch.session_opened(NOW - 5 * DAY + hours * HOUR)
        watch.found_empty(NOW - 5 * DAY + hours * HOUR)
    watch.session_opened(NOW)
    watch.received(batch(SYS_WARN=timedelta(0)))
    assert said == []


def test_a_link_that_only_stays_silent_proves_nothing() -> None:
    watch = AbsenceDetector(read(FREQ=DAY))
    watch.session_opened(NOW - HOUR)
    watch.found_empty(NOW - HOUR)
    watch.found_empty(NOW)
    assert watch.progress.until == rfc3339(NOW - HOUR)


def test_an_outage_of_the_queue_counts_as_absence_in_a_running_bridge(
    said: list[str],
) -> None:
    watch = AbsenceDetector(read(FREQ=4 * DAY))
    watch.session_opened(NOW - 4 * DAY)
    watch.received(batch(FREQ=4 * DAY))
    assert said == []
    watch.session_opened(NOW)
    watch.found_empty(NOW)  # nothing was left at all
    assert said == [
        "the queue was read until 2026-05-06T12:00:00Z, and IRIS keeps a message for 3 "
        f"days; messages expired unread, fetch them with {COMMAND} "
        "--from 2026-05-06T11:50:00Z --to 2026-05-10T12:00:00Z"
    ]


def test_a_clock_that_is_ahead_makes_no_absence(said: list[str]) -> None:
    watch = AbsenceDetector(read(FREQ=HOUR))
    watch.session_opened(NOW + 4 * DAY)
    watch.clock_is_ahead(NOW)
    watch.received(batch(FREQ=HOUR))
    assert said == []


def test_an_absence_is_reported_though_the_clock_is_ahead(said: list[str]) -> None:
    watch = AbsenceDetector(read(FREQ=4 * DAY))
    watch.session_opened(NOW + 4 * DAY)
    watch.clock_is_ahead(NOW)
    watch.received(batch(FREQ=2 * DAY))
    assert "--from 2026-05-06T11:50:00Z" in said[0]
