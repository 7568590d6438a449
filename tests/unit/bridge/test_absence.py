"""Who was away too long is told, and nobody else."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import absence
from bridge.absence import KEPT, Reading, StateError, Watch, parse_reading
from bridge.envelope import rfc3339

QUEUE = "iris at elexon-insights-iris.servicebus.windows.net"
NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COMMAND = "python -m bridge backfill"


def read(**ago: timedelta) -> Reading:
    """A reading whose datasets were last queued so long ago."""
    reading = Reading(QUEUE)
    for dataset, away in ago.items():
        reading.note_published(dataset, rfc3339(NOW - away))
    return reading


def batch(**ago: timedelta) -> list[tuple[str, str]]:
    return [(dataset, rfc3339(NOW - away)) for dataset, away in ago.items()]


class Warnings(logging.Handler):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The warnings so far, as they come."""
    handler = Warnings()
    absence.log.addHandler(handler)
    yield handler.texts
    absence.log.removeHandler(handler)


def test_four_days_away_are_told_with_the_command_and_by_dataset(
    said: list[str],
) -> None:
    watch = Watch(read(FREQ=4 * DAY, MID=4 * DAY + HOUR, SYS_WARN=90 * DAY))
    watch.opened(NOW)
    assert said == []  # the first batch tells what is left
    watch.received(batch(MID=3 * DAY - HOUR, NEW=HOUR))
    assert said == [
        "the queue was read until 2026-05-06T12:00:00Z, and IRIS keeps a message for 3 "
        f"days; what expired unread comes with {COMMAND} --from 2026-05-06T11:50:00Z "
        "--to 2026-05-07T13:10:00Z",
        "MID: messages between 2026-05-06T11:00:00.000Z (last published) and "
        "2026-05-07T13:00:00.000Z (first after) may have expired",
    ]
    watch.received(batch(MID=HOUR))
    watch.received(batch(FREQ=HOUR))
    assert [text.split(":")[0] for text in said[2:]] == ["FREQ"]
    # From here on it is as it ever was: a rare dataset may take its time.
    watch.received(batch(FREQ=-HOUR))
    watch.received(batch(SYS_WARN=-2 * HOUR))
    assert len(said) == 3


def test_a_first_message_after_the_return_is_no_evidence(said: list[str]) -> None:
    watch = Watch(read(FREQ=4 * DAY, SYS_WARN=90 * DAY))
    watch.opened(NOW)
    watch.received(batch(SYS_WARN=-HOUR))
    assert len(said) == 1
    assert COMMAND in said[0]


@pytest.mark.parametrize(
    "reading",
    [
        Reading(QUEUE),  # the first run of all
        read(FREQ=3 * DAY - HOUR, SYS_WARN=90 * DAY),  # a rare dataset is no absence
        read(FREQ=HOUR),
    ],
)
def test_who_was_not_away_too_long_hears_nothing(
    reading: Reading, said: list[str]
) -> None:
    watch = Watch(reading)
    watch.opened(NOW)
    watch.received(batch(FREQ=2 * DAY, SYS_WARN=HOUR))
    watch.found_empty(NOW)
    assert said == []


def test_a_queue_of_rare_datasets_only_is_read_while_it_is_silent(
    said: list[str],
) -> None:
    watch = Watch(read(SYS_WARN=90 * DAY))
    watch.opened(NOW - 5 * DAY)
    watch.found_empty(NOW - 5 * DAY)
    said.clear()
    for hours in range(0, 5 * 24, 6):  # silence ends a session, the next one asks again
        watch.opened(NOW - 5 * DAY + hours * HOUR)
        watch.found_empty(NOW - 5 * DAY + hours * HOUR)
    watch.opened(NOW)
    watch.received(batch(SYS_WARN=timedelta(0)))
    assert said == []


def test_a_link_that_only_stays_silent_proves_nothing() -> None:
    watch = Watch(read(FREQ=DAY))
    watch.opened(NOW - HOUR)
    watch.found_empty(NOW - HOUR)
    watch.found_empty(NOW)
    assert watch.reading.until == rfc3339(NOW - HOUR)


def test_an_outage_of_the_queue_counts_as_absence_in_a_running_bridge(
    said: list[str],
) -> None:
    watch = Watch(read(FREQ=4 * DAY))
    watch.opened(NOW - 4 * DAY)
    watch.received(batch(FREQ=4 * DAY))
    assert said == []
    watch.opened(NOW)
    watch.found_empty(NOW)  # nothing was left at all
    assert said == [
        "the queue was read until 2026-05-06T12:00:00Z, and IRIS keeps a message for 3 "
        f"days; what expired unread comes with {COMMAND} --from 2026-05-06T11:50:00Z "
        "--to 2026-05-10T12:00:00Z"
    ]


AGES = st.timedeltas(timedelta(0), 10 * DAY)


@given(AGES)
def test_something_expired_exactly_if_the_reading_ended_before_what_is_kept(
    away: timedelta,
) -> None:
    expired = read(FREQ=away).expired(NOW)
    assert (expired is not None) == (rfc3339(NOW - away) < rfc3339(NOW - KEPT))
    if expired:
        assert expired.end == NOW - KEPT


@given(st.dictionaries(st.text(max_size=5), st.lists(AGES, min_size=1), max_size=4))
def test_a_reading_is_the_latest_of_each_and_survives_its_file(
    ago: dict[str, list[timedelta]],
) -> None:
    reading = Reading(QUEUE)
    for dataset, ages in ago.items():
        for age in ages:
            reading.note_published(dataset, rfc3339(NOW - age))
    assert reading.published == {
        dataset: rfc3339(NOW - min(ages)) for dataset, ages in ago.items()
    }
    assert reading.until == max(reading.published.values(), default="")
    assert parse_reading(reading.to_json(), QUEUE) == reading


def test_the_state_of_another_queue_says_nothing() -> None:
    assert parse_reading(read(FREQ=DAY).to_json(), "mine") == Reading("mine")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"queue": 1', '{"queue":"q","read_until":"x"}', "null"]
)
def test_what_is_no_state_is_refused(text: str) -> None:
    with pytest.raises(StateError):
        parse_reading(text, "q")


def test_a_time_without_zone_is_refused() -> None:
    text = '{"queue":"q","read_until":"2026-05-06T00:00:00","published":{}}'
    with pytest.raises(StateError):
        parse_reading(text, "q")


def test_messages_without_a_queue_time_change_nothing() -> None:
    reading = Reading(QUEUE)
    reading.note_published("FREQ", "")
    assert reading == Reading(QUEUE)


def test_the_file_is_written_whole_and_only_when_something_changed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "new/state.json"
    watch = absence.load(path, QUEUE)
    watch.save()
    assert not path.exists()
    watch.reading.note_published("FREQ", rfc3339(NOW))
    watch.save()
    written = path.stat().st_mtime_ns
    watch.save()
    assert path.stat().st_mtime_ns == written
    assert [x.name for x in path.parent.iterdir()] == ["state.json"]
    assert absence.load(path, QUEUE).reading == watch.reading


def test_files_that_cannot_be_used_are_told_once_and_stop_nothing(
    tmp_path: Path, said: list[str]
) -> None:
    (tmp_path / "file").write_text("no state")
    watch = absence.load(tmp_path / "file", QUEUE)
    assert said == [
        f"IRIS_STATE_FILE: cannot use {tmp_path}/file: it is no state of the bridge"
    ]
    watch = Watch(watch.reading, tmp_path / "file/state.json")
    for hours in range(3):
        watch.reading.note_published("FREQ", rfc3339(NOW + hours * HOUR))
        watch.save()
    assert len(said) == 2
    assert said[1].startswith(f"IRIS_STATE_FILE: cannot write {tmp_path}/file/state")
