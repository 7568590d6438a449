"""The resolved position of export and import limits, in the local BigQuery."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, starmap
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from google.cloud import bigquery
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.registry import load_registry
from sql.schemas import schema_field
from sql.tables import dataset_table
from sql.templates import fill

pytestmark = pytest.mark.integration

PROJECT, DATASET = "gb-iris", "resolved"
COLUMNS = dataset_table(load_registry()["MELS"]).columns
OUTPUT = (
    "nationalGridBmUnit", "bmUnit", "settlementDate", "settlementPeriod",
    "timeFrom", "timeTo", "levelFrom", "levelTo",
    "notificationTime", "notificationSequence",
)  # fmt: skip
LONDON = ZoneInfo("Europe/London")
HALF_HOUR_MINUTES = 30
# An ordinary day; `at("09:00")` is on it.
DAY = "2026-05-06"
tables = count(1)


class Declaration(NamedTuple):
    """One MELS record, with the instant of its arrival."""

    time_from: datetime | None
    time_to: datetime | None
    level_from: int
    level_to: int
    sequence: int | None
    notified: datetime | None
    arrived: datetime
    bm_unit: str | None = "T_A-1"
    unit: str | None = "A-1"


class Piece(NamedTuple):
    """One row of the resolved position, but for its settlement date and period."""

    time_from: datetime
    time_to: datetime
    level_from: int
    level_to: int
    sequence: int | None
    notified: datetime | None
    bm_unit: str | None


def at(text: str) -> datetime:
    """`09:00`, or `2026-05-06 09:00`, in UTC."""
    day, _, time = text.rpartition(" ")
    return datetime.fromisoformat(f"{day or DAY} {time}").replace(tzinfo=UTC)


def declare(
    time_from: str, time_to: str, level: int, to: int | None = None, **more: Any
) -> Declaration:
    """A declaration; flat, unless `to` says otherwise."""
    values = {"sequence": 1, "notified": "05:00", "arrived": "06:00", **more}
    notified = values.pop("notified")
    return Declaration(
        at(time_from),
        at(time_to),
        level,
        level if to is None else to,
        notified=at(notified) if notified else None,
        arrived=at(values.pop("arrived")),
        **values,
    )


@pytest.fixture(scope="module")
def client(client: bigquery.Client) -> bigquery.Client:
    client.create_dataset(f"{PROJECT}.{DATASET}")
    return client


def store(client: bigquery.Client, declarations: Iterable[Declaration]) -> str:
    """A table of these declarations, which stands for the unified view."""
    name = f"{PROJECT}.{DATASET}.mels_{next(tables)}"
    config = bigquery.LoadJobConfig(schema=[schema_field(c) for c in COLUMNS])
    rows = [record(declaration) for declaration in declarations]
    client.load_table_from_json(rows, name, job_config=config).result()
    return name


def record(declaration: Declaration) -> dict[str, Any]:
    start, end, notified = (
        time.isoformat() if time else None
        for time in (declaration.time_from, declaration.time_to, declaration.notified)
    )
    day, period = (
        settlement(declaration.time_from) if declaration.time_from else (None, None)
    )
    return {
        "dataset": "MELS",
        "settlementDate": day,
        "settlementPeriod": period,
        "timeFrom": start,
        "timeTo": end,
        "levelFrom": declaration.level_from,
        "levelTo": declaration.level_to,
        "notificationTime": notified,
        "notificationSequence": declaration.sequence,
        "nationalGridBmUnit": declaration.unit,
        "bmUnit": declaration.bm_unit,
        "ingested_utc": declaration.arrived.isoformat(),
    }


def settlement(instant: datetime) -> tuple[str, int]:
    """The settlement date and period of an instant."""
    local = instant.astimezone(LONDON)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    minutes = (instant - midnight.astimezone(UTC)) // timedelta(minutes=1)
    return local.date().isoformat(), 1 + minutes // HALF_HOUR_MINUTES


def resolve(
    client: bigquery.Client, declarations: Sequence[Declaration]
) -> list[dict[str, Any]]:
    """The rows of the view over these declarations, by unit and time."""
    return ordered(
        client, fill("views/resolved.sql", source=store(client, declarations))
    )


def ordered(client: bigquery.Client, query: str) -> list[dict[str, Any]]:
    rows = client.query_and_wait(f"SELECT * FROM ({query})")
    key = ("nationalGridBmUnit", "timeFrom", "timeTo")
    return sorted((dict(row) for row in rows), key=lambda row: [row[k] for k in key])


def levels(rows: Iterable[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What most tests look at: `09:00`, `09:30`, levels and sequence."""
    return [
        (
            f"{row['timeFrom']:%H:%M}",
            f"{row['timeTo']:%H:%M}",
            row["levelFrom"],
            row["levelTo"],
            row["notificationSequence"],
        )
        for row in rows
    ]


def resolved_levels(
    client: bigquery.Client, *declarations: Declaration
) -> list[tuple[Any, ...]]:
    return levels(resolve(client, declarations))


def test_a_declaration_without_a_rival_is_one_row_with_all_columns(client):
    (row,) = resolve(client, [declare("09:00", "09:30", 350, 300, sequence=7)])
    assert tuple(row) == OUTPUT
    assert row == {
        "nationalGridBmUnit": "A-1",
        "bmUnit": "T_A-1",
        "settlementDate": at("00:00").date(),
        "settlementPeriod": 21,
        "timeFrom": at("09:00"),
        "timeTo": at("09:30"),
        "levelFrom": 350,
        "levelTo": 300,
        "notificationTime": at("05:00"),
        "notificationSequence": 7,
    }


def test_a_stronger_one_cuts_the_end(client):
    weak = declare("09:00", "09:30", 100)
    strong = declare("09:20", "09:50", 50, sequence=2)
    assert resolved_levels(client, weak, strong) == [
        ("09:00", "09:20", 100, 100, 1),
        ("09:20", "09:50", 50, 50, 2),
    ]


def test_a_stronger_one_cuts_the_start(client):
    weak = declare("09:00", "09:30", 100)
    strong = declare("08:50", "09:10", 50, sequence=2)
    assert resolved_levels(client, weak, strong) == [
        ("08:50", "09:10", 50, 50, 2),
        ("09:10", "09:30", 100, 100, 1),
    ]


def test_a_stronger_one_splits_the_middle_and_levels_are_copied(client):
    slope = declare("09:00", "09:30", 100, 400)
    strong = declare("09:10", "09:20", 50, sequence=2)
    assert resolved_levels(client, slope, strong) == [
        ("09:00", "09:10", 100, 400, 1),
        ("09:10", "09:20", 50, 50, 2),
        ("09:20", "09:30", 100, 400, 1),
    ]


def test_a_stronger_one_hides_what_lies_in_it(client):
    weak = declare("09:00", "09:30", 100)
    strong = declare("09:00", "10:00", 50, sequence=2)
    assert resolved_levels(client, weak, strong) == [("09:00", "10:00", 50, 50, 2)]


def test_a_lower_sequence_that_comes_later_changes_nothing(client):
    first = declare("09:00", "09:30", 100, sequence=5)
    late = declare("09:00", "09:30", 50, sequence=4, notified="08:00", arrived="12:00")
    assert resolved_levels(client, first, late) == [("09:00", "09:30", 100, 100, 5)]


def test_a_lower_sequence_holds_where_nothing_stronger_does(client):
    strong = declare("09:00", "09:30", 100, sequence=5)
    late = declare("08:30", "10:00", 50, sequence=4, arrived="12:00")
    assert resolved_levels(client, strong, late) == [
        ("08:30", "09:00", 50, 50, 4),
        ("09:00", "09:30", 100, 100, 5),
        ("09:30", "10:00", 50, 50, 4),
    ]


def test_of_equal_sequences_the_later_notification_wins(client):
    earlier = declare("09:00", "09:30", 100, notified="05:00", arrived="12:00")
    later = declare("09:10", "09:20", 50, notified="05:01", arrived="06:00")
    (_, middle, _) = resolve(client, [earlier, later])
    assert (middle["levelFrom"], middle["notificationTime"]) == (50, at("05:01"))


def test_of_contradictory_equals_the_later_arrival_wins(client):
    first = declare("09:00", "09:30", 100, arrived="06:00")
    again = declare("09:00", "09:30", 50, arrived="06:01")
    expected = [("09:00", "09:30", 50, 50, 1)]
    assert resolved_levels(client, first, again) == expected
    assert resolved_levels(client, again, first) == expected


def test_contradictory_equals_that_came_together_are_one_row_always_the_same(client):
    together = [declare("09:00", "09:30", level) for level in (100, 50, 70)]
    together += [declare("09:10", "09:40", level) for level in (80, 20)]
    first = resolved_levels(client, *together)
    assert [row[:2] for row in first] == [("09:00", "09:10"), ("09:10", "09:40")]
    assert resolved_levels(client, *reversed(together)) == first


def test_a_null_sequence_or_notification_time_is_the_weakest(client):
    nameless = declare("09:00", "10:00", 1, sequence=None, notified="08:00")
    timeless = declare("09:00", "09:40", 2, sequence=-3, notified=None)
    timed = declare("09:00", "09:20", 3, sequence=-3, notified="01:00")
    assert resolved_levels(client, timed, timeless, nameless) == [
        ("09:00", "09:20", 3, 3, -3),
        ("09:20", "09:40", 2, 2, -3),
        ("09:40", "10:00", 1, 1, None),
    ]


def test_the_order_of_arrival_does_not_matter(client):
    # A slope, and redeclarations that each hide a part of what others say.
    profile = [
        declare("09:00", "09:30", 100, 200, sequence=1),
        declare("09:30", "10:00", 200, 200, sequence=1),
        declare("09:20", "09:40", 150, sequence=3),
        declare("09:35", "10:10", 120, 90, sequence=5),
        declare("08:50", "09:25", 80, sequence=2),
    ]
    expected = [
        ("08:50", "09:20", 80, 80, 2),
        ("09:20", "09:35", 150, 150, 3),
        ("09:35", "10:10", 120, 90, 5),
    ]
    rows = []
    for number, shuffle in enumerate(range(10)):
        order = random.Random(shuffle).sample(range(len(profile)), len(profile))
        rows += [
            declaration._replace(
                unit=f"{number}", arrived=at("06:00") + timedelta(minutes=place)
            )
            for place, declaration in zip(order, profile, strict=True)
        ]
    found = resolve(client, rows)
    for number in range(10):
        mine = [row for row in found if row["nationalGridBmUnit"] == f"{number}"]
        assert levels(mine) == expected


def test_pieces_that_touch_and_agree_are_one_row(client):
    parts = [
        declare("09:00", "09:30", 100, notified="05:00", bm_unit=None),
        declare("09:30", "10:00", 100, notified="05:10"),
        declare("10:00", "10:30", 100, notified="05:05", bm_unit=None),
    ]
    (row,) = resolve(client, parts)
    assert levels([row]) == [("09:00", "10:30", 100, 100, 1)]
    assert row["notificationTime"] == at("05:10")
    assert row["bmUnit"] == "T_A-1"


@pytest.mark.parametrize(
    "second",
    [
        declare("09:30", "10:00", 100, unit="B-1"),
        declare("09:30", "10:00", 101),
        declare("09:30", "10:00", 100, 99),
        declare("09:30", "10:00", 99, 100),
        declare("09:30", "10:00", 100, sequence=2),
        declare("09:30", "10:00", 100, sequence=None),
        declare("09:31", "10:00", 100),
    ],
    ids=[
        "another unit", "another level", "another levelTo", "another levelFrom",
        "another sequence", "no sequence", "a gap between",
    ],
)  # fmt: skip
def test_pieces_that_differ_stay_apart(client, second):
    assert len(resolve(client, [declare("09:00", "09:30", 100), second])) == 2


def test_equal_slopes_stay_apart(client):
    slopes = [declare("09:00", "09:30", 100, 50), declare("09:30", "10:00", 100, 50)]
    assert resolved_levels(client, *slopes) == [
        ("09:00", "09:30", 100, 50, 1),
        ("09:30", "10:00", 100, 50, 1),
    ]


def test_a_slope_is_one_row_though_weaker_ones_start_and_end_in_it(client):
    slope = declare("09:00", "10:00", 100, 50, sequence=2)
    weaker = [declare("09:10", "09:20", 10), declare("09:20", "09:50", 10)]
    assert resolved_levels(client, slope, *weaker) == [("09:00", "10:00", 100, 50, 2)]


def test_a_slope_that_comes_twice_is_one_row(client):
    slope = declare("09:00", "10:00", 100, 50)
    again = slope._replace(arrived=at("12:00"))
    strong = declare("09:20", "09:40", 70, sequence=2)
    assert resolved_levels(client, slope, strong, again, slope) == [
        ("09:00", "09:20", 100, 50, 1),
        ("09:20", "09:40", 70, 70, 2),
        ("09:40", "10:00", 100, 50, 1),
    ]


def test_units_do_not_touch_each_other(client):
    mine = declare("09:00", "09:30", 100)
    other = declare("09:10", "09:20", 50, sequence=9, unit="B-1")
    assert resolved_levels(client, mine, other) == [
        ("09:00", "09:30", 100, 100, 1),
        ("09:10", "09:20", 50, 50, 9),
    ]


def test_a_piece_without_an_elexon_name_has_none(client):
    (row,) = resolve(client, [declare("09:00", "09:30", 100, bm_unit=None)])
    assert row["bmUnit"] is None


@pytest.mark.parametrize(
    "nothing",
    [
        declare("09:10", "09:10", 50, sequence=9),
        declare("09:20", "09:10", 50, sequence=9),
        declare("09:10", "09:20", 50, sequence=9)._replace(time_from=None),
        declare("09:10", "09:20", 50, sequence=9)._replace(time_to=None),
        declare("09:10", "09:20", 50, sequence=9, unit=None),
    ],
    ids=["zero length", "reversed", "no timeFrom", "no timeTo", "no unit"],
)
def test_what_covers_no_instant_gives_no_row_and_cuts_nothing(client, nothing):
    assert resolve(client, [nothing]) == []
    slope = declare("09:00", "09:30", 100, 50)
    assert resolved_levels(client, slope, nothing) == [("09:00", "09:30", 100, 50, 1)]


def test_across_midnight_is_one_row_of_the_day_on_which_it_starts(client):
    night = declare("2026-01-05 22:00", "2026-01-06 02:00", 100, 50)
    flat = [
        declare("2026-01-05 22:00", "2026-01-06 00:00", 100, unit="B-1"),
        declare("2026-01-06 00:00", "2026-01-06 02:00", 100, unit="B-1"),
    ]
    rows = resolve(client, [night, *flat])
    assert [(row["timeFrom"], row["timeTo"]) for row in rows] == [
        (at("2026-01-05 22:00"), at("2026-01-06 02:00"))
    ] * 2
    assert {(f"{row['settlementDate']}", row["settlementPeriod"]) for row in rows} == {
        ("2026-01-05", 45)
    }


@pytest.mark.parametrize(
    ("instant", "day", "period"),
    [
        ("2026-01-06 00:00", "2026-01-06", 1),
        ("2026-01-06 00:29", "2026-01-06", 1),
        ("2026-01-06 23:59", "2026-01-06", 48),
        ("2026-07-01 22:59", "2026-07-01", 48),
        ("2026-07-01 23:00", "2026-07-02", 1),
        ("2026-03-29 00:59", "2026-03-29", 2),
        ("2026-03-29 01:00", "2026-03-29", 3),
        ("2026-03-29 22:30", "2026-03-29", 46),
        ("2026-03-29 23:00", "2026-03-30", 1),
        ("2026-10-24 23:00", "2026-10-25", 1),
        ("2026-10-25 00:30", "2026-10-25", 4),
        ("2026-10-25 01:00", "2026-10-25", 5),
        ("2026-10-25 23:30", "2026-10-25", 50),
        ("2026-10-26 00:00", "2026-10-26", 1),
    ],
)
def test_settlement_date_and_period_are_local_and_right_when_clocks_change(
    client, instant, day, period
):
    end = at(instant) + timedelta(minutes=10)
    (row,) = resolve(client, [declare(instant, f"{end:%Y-%m-%d %H:%M}", 100)])
    assert (f"{row['settlementDate']}", row["settlementPeriod"]) == (day, period)


def test_settlement_date_and_period_are_those_of_the_piece(client):
    week = declare("2026-03-27 12:00", "2026-03-30 12:00", 100, 50)
    strong = declare("2026-03-28 22:00", "2026-03-29 01:30", 10, sequence=2)
    rows = resolve(client, [week, strong])
    assert [(f"{r['settlementDate']}", r["settlementPeriod"]) for r in rows] == [
        ("2026-03-27", 25),
        ("2026-03-28", 45),
        ("2026-03-29", 4),
    ]


def test_an_open_ended_declaration_holds_where_nothing_else_does(client):
    rows = [declare("2020-01-01 00:00", "9999-12-31 23:59", 500, sequence=1)]
    # Enough half-hours that whole blocks of places lie in it.
    start = at("2026-01-01 00:00")
    hours = [start + timedelta(hours=number) for number in range(1000)]
    rows += [
        Declaration(hour, hour + timedelta(minutes=30), n, n + 1, 2, hour, hour)
        for n, hour in enumerate(hours)
    ]
    found = resolve(client, rows)
    assert len(found) == 2001
    assert [(row["timeFrom"], row["levelFrom"]) for row in found[:3]] == [
        (at("2020-01-01 00:00"), 500), (hours[0], 0),
        (hours[0] + timedelta(minutes=30), 500),
    ]  # fmt: skip
    assert found[-1]["timeTo"] == at("9999-12-31 23:59")


# The same, minute by minute: every minute has the strongest declaration over it.
ORIGIN = at("2026-10-24 22:00")


def minute_time(minute: int) -> datetime:
    return ORIGIN + timedelta(minutes=minute)


def by_minutes(declarations: Iterable[Declaration]) -> dict[int, Declaration]:
    """The declaration that holds in each minute from `ORIGIN` on."""
    holds = {}
    for declaration in sorted(declarations, key=strength):
        start, end = (
            (time - ORIGIN) // timedelta(minutes=1)
            for time in (declaration.time_from, declaration.time_to)
        )
        holds |= dict.fromkeys(range(start, end), declaration)
    return holds


def strength(declaration: Declaration) -> tuple[Any, ...]:
    """What makes a declaration win; `None` is less than anything."""
    parts = (declaration.sequence, declaration.notified)
    return (*((part is not None, part) for part in parts), declaration.arrived)


def expected_pieces(holds: dict[int, Declaration]) -> list[Piece]:
    """The rows that the minutes make."""
    pieces: list[list[int]] = []
    for minute in sorted(holds):
        before = holds.get(minute - 1)
        if before and are_one(before, holds[minute]):
            pieces[-1].append(minute)
        else:
            pieces.append([minute])
    return [piece_of(minutes, holds) for minutes in pieces]


def are_one(before: Declaration, after: Declaration) -> bool:
    if before is after:
        return True
    are_flat = before.level_from == before.level_to == after.level_from
    return (
        are_flat
        and after.level_from == after.level_to
        and before.sequence == after.sequence
    )


def piece_of(minutes: Sequence[int], holds: dict[int, Declaration]) -> Piece:
    parts = {holds[minute] for minute in minutes}
    some = holds[minutes[0]]
    return Piece(
        minute_time(minutes[0]),
        minute_time(minutes[-1] + 1),
        some.level_from,
        some.level_to,
        some.sequence,
        max((part.notified for part in parts if part.notified), default=None),
        max((part.bm_unit for part in parts if part.bm_unit), default=None),
    )


def found_pieces(rows: Iterable[dict[str, Any]]) -> dict[str, list[Piece]]:
    """The rows of each unit; their settlement date and period are right."""
    found: dict[str, list[Piece]] = {}
    for row in rows:
        piece = Piece(
            row["timeFrom"], row["timeTo"], row["levelFrom"], row["levelTo"],
            row["notificationSequence"], row["notificationTime"], row["bmUnit"],
        )  # fmt: skip
        found.setdefault(row["nationalGridBmUnit"], []).append(piece)
        expected = settlement(piece.time_from)
        assert (f"{row['settlementDate']}", row["settlementPeriod"]) == expected
    return found


def compare(
    cases: Sequence[Sequence[Declaration]],
    rows: Iterable[dict[str, Any]],
    window_minutes: range | None = None,
) -> None:
    """Shows the smallest case whose rows are not those of its minutes."""
    found = found_pieces(rows)
    wrong = []
    for number, case in enumerate(cases):
        holds = by_minutes(case)
        if window_minutes is not None:
            holds = {m: holds[m] for m in holds.keys() & set(window_minutes)}
        expected = expected_pieces(holds)
        if found.get(f"{number}", []) != expected:
            wrong.append((len(case), number, expected))
    if wrong:
        _, number, expected = min(wrong)
        assert (cases[number], found.get(f"{number}", [])) == (cases[number], expected)


def numbered(cases: Sequence[Sequence[Declaration]]) -> list[Declaration]:
    """All declarations of all cases, each case with a unit of its own."""
    return [
        declaration._replace(unit=f"{number}")
        for number, case in enumerate(cases)
        for declaration in case
    ]


# Few values of each, so that declarations often touch, tie and agree.
DRAWN = st.tuples(
    st.one_of(st.sampled_from([0, 30, 60, 90]), st.integers(0, 120)),
    st.one_of(st.just(30), st.integers(-3, 60)),
    st.sampled_from([(0, 0), (100, 100), (100, 100), (0, 100), (100, 0)]),
    st.sampled_from([None, 1, 1, 2, 3]),
    st.sampled_from([None, 0, 1, 1]),
    st.sampled_from([None, "T_A-1"]),
)


def drawn_declaration(arrival: int, drawn: tuple[Any, ...]) -> Declaration:
    start, length, (level_from, level_to), sequence, notified, bm_unit = drawn
    return Declaration(
        minute_time(start),
        minute_time(start + length),
        level_from,
        level_to,
        sequence,
        None if notified is None else minute_time(notified),
        minute_time(arrival),
        bm_unit,
    )


@pytest.fixture(scope="module")
def cases() -> list[list[Declaration]]:
    """Many cases: one query resolves them all, a unit each."""
    collected: list[list[Declaration]] = []

    @settings(
        max_examples=2000,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(DRAWN, min_size=1, max_size=9))
    def collect(case: list[tuple[Any, ...]]) -> None:
        collected.append(list(starmap(drawn_declaration, enumerate(case))))

    collect()
    return collected


@pytest.fixture(scope="module")
def cases_table(client, cases) -> str:
    return store(client, numbered(cases))


def test_any_declarations_give_what_their_minutes_give(client, cases, cases_table):
    rows = ordered(client, fill("views/resolved.sql", source=cases_table))
    compare(cases, rows)


def test_between_gives_what_the_minutes_between_give(client, cases, cases_table):
    function = f"{PROJECT}.{DATASET}.between_minutes"
    make_function(client, function, cases_table)
    start, end = minute_time(40), minute_time(80)
    rows = ordered(client, f"SELECT * FROM {between(function, start, end)}")
    compare(cases, rows, range(40, 80))


def test_between_of_no_time_gives_no_row(client, cases_table):
    function = f"{PROJECT}.{DATASET}.between_nothing"
    make_function(client, function, cases_table)
    start, end = minute_time(40), minute_time(80)
    for times in ((start, start), (end, start)):
        assert ordered(client, f"SELECT * FROM {between(function, *times)}") == []


def test_between_sees_what_started_within_its_reach(client):
    days = [declare(f"2026-05-0{n} 12:00", "2026-05-09 00:00", n) for n in (1, 3, 5)]
    rows = [day._replace(unit=f"{day.level_from}") for day in days]
    function = f"{PROJECT}.{DATASET}.between_days"
    make_function(client, function, store(client, rows))
    times = at("2026-05-06 12:00"), at("2026-05-07 12:00")

    def units(reach_days: str) -> list[str]:
        query = f"SELECT * FROM {between(function, *times, reach_days)}"
        return [row["nationalGridBmUnit"] for row in ordered(client, query)]

    assert units("1") == ["5"]
    assert units("3") == ["3", "5"]
    assert units("NULL") == ["1", "3", "5"]


def make_function(client: bigquery.Client, name: str, source: str) -> None:
    body = fill("views/resolved.sql", source=source, between=True)
    client.query_and_wait(
        f"CREATE TABLE FUNCTION {name}(from_utc TIMESTAMP, to_utc TIMESTAMP, "
        f"reach_days INT64) AS ({body})"
    )


def between(
    function: str, start: datetime, end: datetime, reach_days: str = "NULL"
) -> str:
    times = ", ".join(f"TIMESTAMP '{time.isoformat()}'" for time in (start, end))
    return f"`{function}`({times}, {reach_days})"


def test_long_histories_give_what_their_minutes_give(client):
    cases = [history(seed) for seed in range(12)]
    compare(cases, resolve(client, numbered(cases)))


def history(seed: int) -> list[Declaration]:
    """Twelve days of half-hours, and redeclarations of minutes to weeks."""
    chance = random.Random(seed)
    lengths_minutes = [HALF_HOUR_MINUTES] * 576 + [
        int(10 ** chance.uniform(1, 4.5)) for _ in range(60)
    ]
    case = []
    for number, length_minutes in enumerate(lengths_minutes):
        is_half_hour = number < 576
        start = number * 30 if is_half_hour else chance.randrange(-2000, 17280)
        level_from = chance.choice([0, 100, 200])
        level_to = chance.choice([level_from, level_from, 100])
        case.append(
            Declaration(
                minute_time(start),
                minute_time(start + length_minutes),
                level_from,
                level_to,
                chance.randrange(5 if is_half_hour else 9),
                minute_time(chance.randrange(9)),
                ORIGIN + timedelta(seconds=number),
            )
        )
    return chance.sample(case, len(case))
