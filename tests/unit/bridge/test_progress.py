"""How far a queue has been read survives in the state file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import progress
from bridge.envelope import rfc3339
from bridge.progress import KEPT, Progress, StateError, StateFile, parse

QUEUE = "iris at elexon-insights-iris.servicebus.windows.net"
NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AGES = st.timedeltas(timedelta(0), 10 * DAY)


def read(**ago: timedelta) -> Progress:
    """A progress whose datasets were last queued this long ago."""
    reading = Progress(QUEUE)
    for dataset, away in ago.items():
        reading.note_published(dataset, rfc3339(NOW - away))
    return reading


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
    reading = Progress(QUEUE)
    for dataset, ages in ago.items():
        for age in ages:
            reading.note_published(dataset, rfc3339(NOW - age))
    assert reading.published == {
        dataset: rfc3339(NOW - min(ages)) for dataset, ages in ago.items()
    }
    assert reading.until == max(reading.published.values(), default="")
    assert parse(reading.to_json(), QUEUE) == reading


def test_the_state_of_another_queue_says_nothing() -> None:
    assert parse(read(FREQ=DAY).to_json(), "mine") == Progress("mine")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"queue": 1', '{"queue":"q","read_until":"x"}', "null"]
)
def test_a_text_that_is_not_a_state_is_refused(text: str) -> None:
    with pytest.raises(StateError):
        parse(text, "q")


def test_a_time_without_zone_is_refused() -> None:
    text = '{"queue":"q","read_until":"2026-05-06T00:00:00","published":{}}'
    with pytest.raises(StateError):
        parse(text, "q")


def test_messages_without_a_queue_time_change_nothing() -> None:
    reading = Progress(QUEUE)
    reading.note_published("FREQ", "")
    assert reading == Progress(QUEUE)


def test_the_file_is_written_whole_and_only_when_something_changed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "new/state.json"
    state = progress.load(path, QUEUE)
    state.save()
    assert not path.exists()
    state.progress.note_published("FREQ", rfc3339(NOW))
    state.save()
    written = path.stat().st_mtime_ns
    state.save()
    assert path.stat().st_mtime_ns == written
    assert [x.name for x in path.parent.iterdir()] == ["state.json"]
    assert progress.load(path, QUEUE).progress == state.progress


def test_files_that_cannot_be_used_are_reported_once_and_stop_nothing(
    tmp_path: Path, said: list[str]
) -> None:
    (tmp_path / "file").write_text("no state")
    state = progress.load(tmp_path / "file", QUEUE)
    assert said == [
        f"IRIS_STATE_FILE: cannot use {tmp_path}/file: "
        "it is not a state file of the bridge; remove it"
    ]
    state = StateFile(state.progress, tmp_path / "file/state.json")
    for hours in range(3):
        state.progress.note_published("FREQ", rfc3339(NOW + hours * HOUR))
        state.save()
    assert len(said) == 2
    assert said[1].startswith(f"IRIS_STATE_FILE: cannot write {tmp_path}/file/state")


def test_a_reading_until_the_future_is_forgotten_and_the_last_message_used() -> None:
    reading = read(FREQ=HOUR, MID=DAY)
    reading.note_empty(NOW + 4 * DAY)
    assert reading.without_future(NOW) == rfc3339(NOW + 4 * DAY)
    assert reading.until == rfc3339(NOW - HOUR)


def test_a_reading_a_little_ahead_is_believed() -> None:
    reading = read(FREQ=HOUR)
    reading.note_empty(NOW + progress.MARGIN)
    assert reading.without_future(NOW) is None
    assert reading.until == rfc3339(NOW + progress.MARGIN)


def test_a_state_file_from_the_future_is_named_and_an_absence_is_found(
    tmp_path: Path, said: list[str]
) -> None:
    now = datetime.now(UTC)
    before = Progress(QUEUE)
    before.note_published("FREQ", rfc3339(now - 5 * DAY))
    before.note_empty(now + 4 * DAY)
    path = tmp_path / "state.json"
    path.write_text(before.to_json())
    found = progress.load(path, QUEUE).progress
    assert found.expired(now)
    assert len(said) == 1
    assert f"read until {rfc3339(now + 4 * DAY)}, which is in the future" in said[0]
    assert f"queued at {rfc3339(now - 5 * DAY)}, which is used instead" in said[0]


def test_a_queue_that_gets_a_file_of_its_own_keeps_what_it_knew(tmp_path: Path) -> None:
    former, own = tmp_path / "state.json", tmp_path / "state-iris.json"
    known = Progress("iris", "2026-05-06T02:30:00.000Z")
    former.write_text(known.to_json())
    assert progress.load(own, "iris", former).progress.until == known.until
    assert progress.load(own, "another", former).progress.until == ""
