"""The demo feed: yesterday and today of one market, as messages of all datasets."""

import itertools
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from local.simulator.demo import Demo
from local.simulator.market.instants import midnight
from local.simulator.sent_until import SentUntil
from local.simulator.timetable import publications, timetable
from pipeline.core.decoding import Message, decode, utc_now
from pipeline.registry import load_registry

REGISTRY = load_registry()
NOON = datetime(2026, 5, 6, 11, 0, 30, tzinfo=UTC)
YESTERDAY = date(2026, 5, 5)


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now=NOON):
        self.now = int(now.timestamp())

    def __call__(self):
        return self.now


def backlog(demo):
    return [sample for _, sample in demo.backlog()]


@pytest.fixture(scope="module")
def messages():
    return backlog(Demo(clock=Clock()))


@pytest.fixture(scope="module")
def rows(messages):
    """The records of each dataset, in the order in which they were sent."""
    found = {}
    for sample in messages:
        found.setdefault(sample.dataset, []).extend(json.loads(sample.payload))
    return found


def test_all_datasets_come_first(messages):
    assert {sample.dataset for sample in messages[: len(REGISTRY)]} == set(REGISTRY)


def test_every_record_becomes_a_row_of_known_columns(messages):
    names = [sample.message_id for sample in messages]
    assert len(set(names)) == len(names)
    for sample in messages:
        attributes = {"dataset": sample.dataset, "message_id": sample.message_id}
        decoded = decode(Message(sample.payload, attributes), utc_now())
        assert decoded.dead_letters == [], sample.message_id
        assert decoded.count == len(decoded.records) > 0
        for typed in decoded.records:
            assert typed.row.get("extra") is None, sample.message_id


def test_records_have_all_columns(rows):
    optional = {"REMIT": {"affectedArea", "durationUncertainty", "relatedInformation"}}
    for dataset in REGISTRY.values():
        wanted = {column.name for column in dataset.columns}
        wanted -= optional.get(dataset.name, set())
        for record in rows[dataset.name]:
            assert wanted <= set(record), dataset.name


def test_no_natural_key_has_two_contents(rows):
    for dataset in REGISTRY.values():
        contents = {}
        for record in rows[dataset.name]:
            key = tuple(str(record[name]) for name in dataset.natural_key)
            content = json.dumps(record, sort_keys=True)
            assert contents.setdefault(key, content) == content, (dataset.name, key)


def test_yesterday_is_complete(rows):
    day = YESTERDAY.isoformat()
    for name in ("FUELHH", "INDO", "ITSDO", "MID", "AGPT", "ATL", "DISEBSP", "NETBSAD"):
        periods = {
            r["settlementPeriod"] for r in rows[name] if r["settlementDate"] == day
        }
        assert periods == set(range(1, 49)), name
    first = datetime.fromtimestamp(midnight(YESTERDAY), UTC)
    instants = {datetime.fromisoformat(r["measurementTime"]) for r in rows["FREQ"]}
    assert {first + timedelta(seconds=15 * n) for n in range(5_760)} <= instants


def test_nothing_is_about_a_part_of_the_day_before(rows):
    """A check would miss the rest of it."""
    for name in ("FUELHH", "FUELINST", "INDO", "MID", "AGPT", "DISEBSP", "DISBSAD"):
        days = {record["settlementDate"] for record in rows[name]}
        assert min(days) == YESTERDAY.isoformat()


def test_fuels_come_together_every_five_minutes(rows):
    by_time = Counter(record["publishTime"] for record in rows["FUELINST"])
    assert set(by_time.values()) <= {20, 40}  # some messages are sent twice
    times = sorted(map(datetime.fromisoformat, by_time))
    assert {b - a for a, b in itertools.pairwise(times)} == {timedelta(minutes=5)}


def test_some_values_are_corrected_and_some_messages_repeated(rows, messages):
    keys = Counter(
        (r["settlementDate"], r["settlementPeriod"], r["systemBuyPrice"])
        for r in rows["DISEBSP"]
    )
    runs = Counter((day, period) for day, period, _ in keys)
    assert 0 < sum(count > 1 for count in runs.values()) < len(runs)
    twice = Counter((s.dataset, s.payload) for s in messages)
    repeated = sum(count > 1 for count in twice.values())
    assert 0 < repeated < 0.01 * len(messages)
    revisions = Counter(record["mrid"] for record in rows["REMIT"])
    assert max(revisions.values()) > 1


def test_a_wind_forecast_of_a_day_ago_covers_today(rows):
    known = [
        record
        for record in rows["WINDFOR"]
        if datetime.fromisoformat(record["publishTime"]) <= NOON - timedelta(days=1)
    ]
    hours = {record["startTime"] for record in known}
    assert "2026-05-06T11:00:00Z" in hours


def test_acceptances_begin_at_the_positions_of_their_units(rows):
    positions = {
        (record["nationalGridBmUnit"], record["timeFrom"]): record["levelFrom"]
        for record in rows["PN"]
    }
    first = {}
    for record in rows["BOALF"]:
        key = record["nationalGridBmUnit"], record["acceptanceNumber"]
        first.setdefault(key, record)
    originals = [r for r in first.values() if r["acceptanceNumber"] % 2 == 0]
    assert len(originals) > 200
    for record in originals:
        start = datetime.fromisoformat(record["timeFrom"])
        half_hour = start - timedelta(minutes=start.minute % 30)
        key = record["nationalGridBmUnit"], f"{half_hour:%Y-%m-%dT%H:%M:%SZ}"
        assert positions[key] == record["levelFrom"]


def test_the_same_seed_has_the_same_messages_and_another_seed_another():
    some = [list(itertools.islice(Demo(seed, clock=Clock()).backlog(), 300)) for seed in
            (1, 1, 2)]  # fmt: skip
    assert some[0] == some[1]
    assert some[0] != some[2]


def test_messages_are_due_as_the_clock_goes_on(messages):
    clock = Clock()
    demo = Demo(clock=clock)
    assert list(demo.due()) == []
    sent = []
    for _ in range(3 * 60):
        clock.now += 60
        sent += demo.due()
    assert [published for published, _ in sent] == sorted(p for p, _ in sent)
    names = Counter(sample.dataset for _, sample in sent)
    assert 90 <= names["FREQ"] <= 92
    assert 36 <= names["FUELINST"] <= 37
    assert names["FUELHH"] >= 6
    assert names["UOU2T14D"] == 3
    known = {sample.message_id for sample in messages}
    assert not known & {sample.message_id for _, sample in sent}


def test_a_redeclaration_is_never_the_same_record():
    clock = Clock()
    demo = Demo(clock=clock)
    made = [demo.redeclaration() for _ in range(1_200)]
    assert len({sample.payload for sample in made}) == len(made)
    for sample in made:
        decoded = decode(
            Message(sample.payload, {"dataset": sample.dataset}), utc_now()
        )
        assert len(decoded.records) == decoded.count == 1


def test_a_later_feed_goes_on_where_the_first_ended(tmp_path, messages):
    clock, file = Clock(), tmp_path / "state.json"
    kept = SentUntil(file, seed=2026)
    demo = Demo(sent_until=kept.read(), clock=clock)
    for number, (published, _) in enumerate(demo.backlog(), start=1):
        kept.add(number, published)
    kept.save(oldest=None)
    clock.now += 3_600
    later = Demo(sent_until=SentUntil(file, seed=2026).read(), clock=clock)
    names = {sample.message_id for sample in backlog(later)}
    assert 20 < len(names) < 1_000
    assert not names & {sample.message_id for sample in messages}
    assert SentUntil(file, seed=7).read() is None


def test_messages_that_wait_on_the_queue_are_sent_again(tmp_path):
    kept = SentUntil(tmp_path / "state.json", seed=1)
    for number, published in enumerate((100, 160, 160, 220), start=1):
        kept.add(number, published)
    kept.save(oldest=3)
    assert kept.read() == 159


@pytest.mark.parametrize(
    ("now", "day", "periods"),
    [
        (datetime(2026, 3, 30, 12, tzinfo=UTC), "2026-03-29", 46),
        (datetime(2026, 10, 26, 12, tzinfo=UTC), "2026-10-25", 50),
    ],
)
def test_a_day_on_which_the_clocks_change_is_complete(now, day, periods):
    begin, until = midnight(date.fromisoformat(day)), int(now.timestamp())
    for name in ("FUELHH", "MID", "PN"):
        series = [one for one in timetable() if one.dataset == name]
        numbers = {
            record["settlementPeriod"]
            for publication in publications(3, series, begin, 0, until)
            for record in publication.records(3)
            if record["settlementDate"] == day
        }
        assert numbers == set(range(1, periods + 1)), name
