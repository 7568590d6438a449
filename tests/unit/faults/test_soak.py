"""The soak's own parts: its messages, its plan of faults, its slopes."""

import json
import random
from collections import defaultdict
from datetime import UTC, datetime

import pytest

from local.stack.restarts import MOST, WITHIN_SECONDS
from pipeline.core import decoding
from tests.faults.soak import machine
from tests.faults.soak.__main__ import main
from tests.faults.soak.messages import SHARES, Messages
from tests.faults.soak.plan import ENDS, plan
from tests.faults.soak.report import Report, bytes_per_record, slopes_of
from tests.faults.soak.series import Series, slope

START = datetime(2026, 5, 6, 12, tzinfo=UTC)
COUNT = 600


@pytest.fixture(scope="module")
def messages():
    feed = Messages(seed=7, started=START, rate=70.0)
    return [feed.message(number) for number in range(COUNT)]


def decoded(message):
    attributes = {"dataset": message.dataset, "message_id": message.message_id}
    at = "2026-05-06T12:00:00Z"
    return decoding.decode(decoding.Message(message.body, attributes), at)


def test_equal_seeds_make_equal_messages(messages):
    again = Messages(seed=7, started=START, rate=70.0)
    assert [again.message(number) for number in range(COUNT)] == messages


def test_no_two_messages_have_the_same_id(messages):
    assert len({message.message_id for message in messages}) == COUNT


def test_there_are_messages_of_every_kind(messages):
    assert {message.kind for message in messages} == set(SHARES)


def test_a_copy_has_the_body_of_an_earlier_message(messages):
    for copy in (message for message in messages if message.kind == "copy"):
        earlier = messages[: copy.number]
        assert copy.body in {message.body for message in earlier}


def test_the_decode_core_makes_of_a_message_what_it_says(messages):
    for message in messages:
        found = decoded(message)
        ids = {record.record_id for record in found.records}
        assert ids == set(message.records), message
        assert len(found.dead_letters) == message.refused, message
        assert found.unmapped is (message.kind == "unknown" or "SOAKNEW" in message)


def test_equal_seeds_make_equal_plans():
    assert list(plan(3, 7200, 40)) == list(plan(3, 7200, 40))


def test_the_faults_of_a_plan_are_as_frequent_as_asked():
    assert 150 <= len(list(plan(3, 7200, 40))) <= 210


def test_no_part_is_ended_in_the_calm_half():
    ends = [fault for fault in plan(3, 7200, 20) if fault.kind in ENDS]
    assert ends
    assert not [fault for fault in ends if 2880 <= fault.at_seconds < 6840]


@pytest.mark.parametrize("seed", range(1, 20))
def test_no_part_is_ended_more_often_than_the_stack_accepts(seed):
    ends = defaultdict(list)
    for fault in plan(seed, 20_000, 10):
        if fault.kind in ENDS:
            ends[fault.part].append(fault.at_seconds)
    for times in ends.values():
        for first, last in zip(times, times[MOST - 1 :], strict=False):
            assert last - first > WITHIN_SECONDS


def test_a_column_that_rises_has_its_slope():
    line = slope([(hour / 60, 100e6 + 60e6 * hour / 60) for hour in range(120)])
    assert line.per_hour == pytest.approx(60e6)
    assert line.grows(20e6)


def test_a_column_of_noise_does_not_grow():
    rng = random.Random(1)
    line = slope([(hour / 60, rng.gauss(100e6, 10e6)) for hour in range(120)])
    assert not line.grows(20e6)


def test_a_folder_that_is_not_empty_is_refused_in_a_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said == f"soak: DATA {tmp_path} is not empty: name a new folder\n"


@pytest.mark.parametrize("option", ["--hours=0", "--rate=-1", "--seed=x"])
def test_an_option_that_makes_no_sense_is_refused_in_a_line(option, capsys):
    with pytest.raises(SystemExit) as ended:
        main([option])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def sample(minute, pids):
    """One minute of a stack whose parts take a MB more each minute of their lives."""
    found = {"seconds": minute * 60.0, "records": 4_000 * minute}
    found |= dict.fromkeys(("table files", "pubsub bytes", "log bytes"), 100.0)
    found["table bytes"] = 200_000.0 * minute
    for part in machine.MARKS:
        born, pid = max((m, p) for m, p in pids.items() if m <= minute)
        age = minute - born
        found |= {f"{part} pid": pid, f"{part} age": age * 60.0}
        # One file a quarter of an hour stays open, over all lives.
        found |= dict.fromkeys(
            [f"{part} {x}" for x in ("files", "sockets")], 20 + minute / 15
        )
        found |= {f"{part} threads": 8, f"{part} memory": 100e6 + age * 1e6}
    return found


@pytest.fixture
def series(tmp_path):
    made = Series(tmp_path / "soak.csv")
    for minute in range(120):
        made.add(sample(minute, {0: 11, 10: 12, 20: 13, 40: 14, 110: 15}))
    return made


def test_memory_that_grows_in_the_longest_life_is_a_problem(series):
    found = Report(seed=1, hours=2.0, slopes=slopes_of(series, 600.0))
    line = found.slopes["bridge in its longest life, memory"]
    assert line.per_hour == pytest.approx(60e6)
    assert (
        "bridge in its longest life, memory grows: +60.0 MB an hour" in found.problems
    )


@pytest.mark.parametrize(("records", "is_known"), [(3_000_000, True), (900_000, False)])
def test_the_ids_that_dedup_remembers_are_not_a_leak(series, records, is_known):
    counts = {"records": records, "rows": records}
    slopes = slopes_of(series, 600.0)
    slopes["pipeline memory"] = slopes["bridge in its longest life, memory"]
    found = Report(seed=1, hours=2.0, slopes=slopes, counts=counts)
    grows = [line for line in found.problems if line.startswith("pipeline memory")]
    assert (grows == []) is is_known


def test_files_that_stay_open_are_a_problem(series):
    found = Report(seed=1, hours=2.0, slopes=slopes_of(series, 600.0))
    assert "bridge files grows: +4.0 an hour" in found.problems


def test_the_bytes_of_a_record_are_those_of_each_half(series):
    assert bytes_per_record(series, 600.0) == pytest.approx((50.0, 50.0))


def test_the_file_has_a_line_for_each_sample(series, tmp_path):
    lines = (tmp_path / "soak.csv").read_text().splitlines()
    assert len(lines) == 121
    assert lines[0].startswith("seconds,records,")


def test_a_report_says_each_slope_and_each_problem(series):
    found = Report(seed=1, hours=2.0, slopes=slopes_of(series, 600.0))
    said = list(found.lines())
    assert any(line.startswith("table files: mean 100.0") for line in said)
    assert "FAILED: nothing was compared" in said
    json.dumps(found.as_json())
