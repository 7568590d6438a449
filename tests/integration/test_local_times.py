"""Histories in British local time beside IRIS: found, not doubled, and mapped."""

import datetime as dt
import json
from zoneinfo import ZoneInfo

import pytest
from apache_beam.testing import test_pipeline

from pipeline.bigquery.warehouse import Warehouse
from pipeline.graph import Plan, build
from pipeline.registry import Registry
from pipeline.steps.sources import ReadFiles
from pipeline.steps.write_rows import WriteRows
from sql.__main__ import main
from sql.apply import apply_tables
from sql.apply import command as apply_command
from sql.check import command as check_command
from sql.tables import all_tables
from tests.integration.history_fixture import FIXTURES, registry_of

pytestmark = pytest.mark.integration

PROJECT = "gb-iris"
LONDON = ZoneInfo("Europe/London")
HALF_HOUR = dt.timedelta(minutes=30)
SUMMER_DAY = dt.date(2026, 5, 6)
AUTUMN, SPRING = dt.date(2025, 10, 26), dt.date(2025, 3, 30)


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def start_of(day: dt.date, period: int) -> dt.datetime:
    midnight = dt.datetime(day.year, day.month, day.day, tzinfo=LONDON)
    return midnight.astimezone(dt.UTC) + (period - 1) * HALF_HOUR


def local(instant: dt.datetime) -> str:
    """What clocks in Britain show, without the zone."""
    return instant.astimezone(LONDON).replace(tzinfo=None).isoformat()


@pytest.fixture
def place(client, request, monkeypatch):
    """Makes the tables of some datasets; applies and checks; all goes with the test."""
    return Place(client, f"d_{abs(hash(request.node.name)):x}", monkeypatch)


class Place:
    """A BigQuery dataset of one test."""

    def __init__(self, client, name, monkeypatch):
        self.client, self.name, self.patch = client, name, monkeypatch

    def use(self, *datasets: str) -> Registry:
        registry = registry_of(*datasets)
        self.patch.setattr(apply_command, "load_registry", lambda: registry)
        self.patch.setattr(check_command, "load_registry", lambda: registry)
        apply_tables(self.client, self.name, list(all_tables(registry)), "EU")
        return registry

    def run(self, sql: str) -> list[tuple]:
        self.client.default_query_job_config = None
        text = sql.replace("$", self.name)
        return [tuple(row.values()) for row in self.client.query_and_wait(text)]

    def history(self, table: str, columns: str, rows: list[tuple]) -> None:
        """Makes a historic table; values are SQL texts or numbers."""
        self.run(f"CREATE TABLE $.{table} ({columns})")
        values = ", ".join(
            f"({', '.join(repr(v) if v is not None else 'NULL' for v in row)})"
            for row in rows
        )
        self.run(f"INSERT INTO $.{table} VALUES {values}")

    def apply(self, capsys, *options: str) -> str:
        code = main(["apply", "--project", PROJECT, "--dataset", self.name, *options])
        printed = capsys.readouterr()
        assert (code, printed.err) == (0, "")
        return printed.out

    def check(self, capsys) -> dict[str, dict]:
        """The results of the check, by column."""
        main(
            [
                *("check", "--project", PROJECT, "--dataset", self.name),
                *("--format", "json", "--only", "history_times"),
            ]
        )
        results = json.loads(capsys.readouterr().out)["results"]
        return {
            f"{each['table']}.{each['column']}": each
            for each in results
            if each["check"] == "history_times" and "column" in each
        }


def fill_case(place: Place) -> None:
    """The public case: two half-hours of IRIS, and the same and one more of history."""
    place.use("FUELHH")
    warehouse = Warehouse(PROJECT, place.name)
    with test_pipeline.TestPipeline(runner="FnApiRunner") as pipeline:
        source = ReadFiles(str(FIXTURES / "local_times" / "FUELHH" / "*"))
        rows = WriteRows(warehouse.insert)
        build(pipeline, Plan(source, "by_grouping", 24, rows, warehouse.insert))
    place.history(
        "bmrs_fuelhh",
        "publishTime DATETIME, startTime DATETIME, settlementDate DATETIME, "
        "settlementPeriod INT64, fuelType STRING, generation INT64",
        [
            (
                local(start_of(SUMMER_DAY, period + 1)),
                local(start_of(SUMMER_DAY, period)),
                "2026-05-06T00:00:00",
                period,
                "WIND",
                generation,
            )
            for period, generation in ((21, 4900), (22, 5000), (23, 5100))
        ],
    )


FUELHH = (
    "SELECT settlementPeriod, startTime, publishTime, generation, source "
    "FROM $.bmrs_fuelhh_{} ORDER BY settlementPeriod, startTime, publishTime"
)
RIGHT = [
    (21, utc("2026-05-06 09:00"), utc("2026-05-06 09:30"), 4900, "HISTORIC"),
    (22, utc("2026-05-06 09:30"), utc("2026-05-06 10:00"), 5000, "IRIS"),
    (23, utc("2026-05-06 10:00"), utc("2026-05-06 10:30"), 5100, "IRIS"),
]


def test_local_times_are_said_and_double_nothing_until_they_are_mapped(place, capsys):
    fill_case(place)
    (note,) = [n for n in place.apply(capsys).splitlines() if "local time" in n]
    command = (
        f"python -m sql apply --project {PROJECT} --dataset {place.name} "
        "--local-times bmrs_fuelhh"
    )
    assert note == (
        "note: bmrs_fuelhh.startTime is British local time, not UTC: 3 of 3 rows in "
        "summer time contradict settlementDate and settlementPeriod by 60 minutes. Run "
        f"`{command}`"
    )
    assert place.run(FUELHH.format("unified")) == RIGHT
    assert place.run(FUELHH.format("latest")) == RIGHT
    found = place.check(capsys)["bmrs_fuelhh.startTime"]
    assert (found["status"], found["dataset"]) == ("fail", "FUELHH")
    assert (found["measured"], found["summer_rows"]) == (3, 3)
    assert found["shift_minutes"] == 60
    assert command in found["detail"]


def test_what_was_said_stays_until_the_opposite_is_said(place, capsys):
    fill_case(place)
    place.apply(capsys)
    said = place.apply(capsys, "--local-times", "bmrs_fuelhh")
    assert "read as British local time: publishTime, startTime" in said
    assert "views: 1 replaced" in said
    assert place.run(FUELHH.format("unified")) == RIGHT
    again = place.apply(capsys)
    assert "replaced" not in again
    assert "read as British local time: publishTime, startTime" in again
    assert {r["status"] for r in place.check(capsys).values()} == {"ok"}
    undone = place.apply(capsys, "--utc-times", "bmrs_fuelhh")
    assert "local time:" not in undone
    stored = utc("2026-05-06 10:00")
    (first, *_) = place.run(FUELHH.format("unified"))
    assert first == (21, stored, stored + HALF_HOUR, 4900, "HISTORIC")
    assert len(place.run(FUELHH.format("unified"))) == 3  # still not doubled
    assert "replaced" not in place.apply(capsys)
    found = place.check(capsys)["bmrs_fuelhh.startTime"]
    assert found["status"] == "warn"
    assert "If that is wrong, run" in found["detail"]


@pytest.mark.parametrize("choice", [(), ("--local-times", "bmrs_fuelhh.startTime")])
def test_a_sibling_that_is_utc_doubles_nothing(place, capsys, choice):
    """The loader computed startTime in local time, and copied publishTime."""
    fill_case(place)
    place.run(
        "UPDATE $.bmrs_fuelhh "
        "SET publishTime = DATETIME_SUB(publishTime, INTERVAL 1 HOUR) WHERE TRUE"
    )
    place.apply(capsys, *choice)
    found = place.run(FUELHH.format("unified"))
    assert [row[1] for row in found] == [row[1] for row in RIGHT]
    assert found[1:] == RIGHT[1:]
    if choice:
        assert found == RIGHT


@pytest.mark.parametrize("kind", ["DATETIME", "TIMESTAMP", "STRING"])
@pytest.mark.parametrize("day", [AUTUMN, SPRING], ids=["autumn", "spring"])
def test_the_period_decides_on_the_days_when_the_clocks_change(
    place, capsys, kind, day
):
    """A long day and a short one of history, of which IRIS has the whole as well."""
    place.use("INDO")
    periods = range(1, 51 if day == AUTUMN else 47)
    rows = [
        (
            local(start_of(day, period + 1)),
            local(start_of(day, period)),
            str(day),
            period,
            20000 + period,
        )
        for period in periods
    ]
    place.history(
        "bmrs_indo",
        f"publishTime {kind}, startTime {kind}, settlementDate DATE, "
        "settlementPeriod INT64, demand INT64",
        rows,
    )
    select = "SELECT startTime, publishTime FROM $.bmrs_indo_unified ORDER BY 1, 2"
    right = [(start_of(day, p), start_of(day, p + 1)) for p in periods]
    place.apply(capsys)
    assert [row[0] for row in place.run(select)] == [row[0] for row in right]
    said = place.apply(capsys, "--local-times", "bmrs_indo")
    if day == AUTUMN:
        assert (
            "note: bmrs_indo.publishTime: 4 rows are in the hour that the clocks "
            "repeat in autumn, and no settlement period decides which of the two it "
            "is: the first is shown"
        ) in said
        assert place.check(capsys)["bmrs_indo.publishTime"]["unclear_rows"] == 4
    else:
        assert place.run(select) == right
    values = ", ".join(
        f"('{day}', {p}, TIMESTAMP '{start_of(day, p):%F %T}+00', "
        f"TIMESTAMP '{start_of(day, p + 1):%F %T}+00', {20000 + p}, 'IRIS', 'r{p}')"
        for p in periods
    )
    place.run(
        "INSERT INTO $.bmrs_indo_iris (settlementDate, settlementPeriod, startTime, "
        f"publishTime, demand, source, record_id) VALUES {values}"
    )
    sources = "SELECT DISTINCT source FROM $.bmrs_indo_unified"
    assert place.run(select) == right
    assert place.run(sources) == [("IRIS",)]
    assert place.run("SELECT COUNT(*) FROM $.bmrs_indo_latest") == [(len(right),)]


def test_text_with_a_zone_is_an_instant_and_each_row_counts_for_itself(place, capsys):
    place.use("MID")
    texts = {
        22: "2026-05-06T10:30:00+01:00",
        23: "2026-05-06 11:00:00 BST",
        24: "2026-05-06T10:30:00Z",
        25: "2026-05-06T12:00:00",
        26: "2026-05-06 12:30:00",
        27: "soon",
    }
    place.history(
        "bmrs_mid",
        "startTime STRING, dataProvider STRING, settlementDate STRING, "
        "settlementPeriod INT64, price FLOAT64, volume FLOAT64",
        [(text, "APXMIDP", str(SUMMER_DAY), p, 1.0, 2.0) for p, text in texts.items()],
    )
    assert "bmrs_mid.startTime is partly British local time" in place.apply(capsys)
    right = [(p, start_of(SUMMER_DAY, p)) for p in range(22, 27)] + [(27, None)]
    select = "SELECT settlementPeriod, startTime FROM $.bmrs_mid_unified ORDER BY 1"
    assert place.run(select) == right
    place.apply(capsys, "--local-times", "bmrs_mid")
    assert place.run(select) == right


def test_five_minute_values_of_one_half_hour_stay_apart(place, capsys):
    """All have the same value; IRIS began in the middle of the half-hour."""
    place.use("FUELINST")
    starts = [start_of(SUMMER_DAY, 22) + n * dt.timedelta(minutes=5) for n in range(6)]
    five = dt.timedelta(minutes=5)
    place.history(
        "bmrs_fuelinst",
        "publishTime DATETIME, startTime DATETIME, settlementDate DATE, "
        "settlementPeriod INT64, fuelType STRING, generation INT64",
        [(local(s + five), local(s), str(SUMMER_DAY), 22, "WIND", 100) for s in starts],
    )
    for number, start in enumerate(starts[4:]):
        place.run(
            "INSERT INTO $.bmrs_fuelinst_iris (settlementDate, settlementPeriod, "
            "startTime, publishTime, fuelType, generation, source, record_id) VALUES "
            f"('{SUMMER_DAY}', 22, TIMESTAMP '{start:%F %T}+00', "
            f"TIMESTAMP '{start + five:%F %T}+00', 'WIND', 100, 'IRIS', 'r{number}')"
        )
    place.apply(capsys)
    for view in ("unified", "latest"):
        found = place.run(
            f"SELECT startTime, source FROM $.bmrs_fuelinst_{view} ORDER BY 1"
        )
        sources = ["HISTORIC"] * 4 + ["IRIS"] * 2
        assert found == list(zip(starts, sources, strict=True))


def test_an_acceptance_is_tied_to_its_first_period(place, capsys):
    place.use("BOALF")
    place.history(
        "bmrs_boalf",
        "settlementDate DATETIME, settlementPeriodFrom INT64, settlementPeriodTo INT64,"
        "timeFrom STRING, timeTo STRING, acceptanceTime DATETIME, levelFrom INT64, "
        "levelTo INT64, acceptanceNumber INT64, nationalGridBmUnit STRING",
        [
            (
                *("2026-07-01T00:00:00", 48, 3, "2026-07-01T23:40:00"),
                *("2026-07-02T01:10:00", "2026-07-01T23:30:00", 1, 2, 3, "QAHUM-1"),
            )
        ],
    )
    assert "bmrs_boalf.timeFrom is British local time" in place.apply(capsys)
    place.apply(capsys, "--local-times", "bmrs_boalf")
    select = "SELECT timeFrom, timeTo, acceptanceTime FROM $.bmrs_boalf_unified"
    assert place.run(select) == [
        (utc("2026-07-01 22:40"), utc("2026-07-02 00:10"), utc("2026-07-01 22:30"))
    ]


def test_times_without_a_period_are_local_if_the_user_says_so(place, capsys):
    """Of the repeated hour the first is shown, and IRIS has the second."""
    place.use("FREQ")
    place.history(
        "bmrs_freq",
        "reportSnapshotTime DATETIME, frequency FLOAT64",
        [
            ("2026-05-06T10:00:00", 50.1),
            ("2025-12-06T10:00:00", 50.2),
            ("2025-10-26T01:15:00", 50.3),
        ],
    )
    assert "local" not in place.apply(capsys)
    assert place.check(capsys) == {}
    said = place.apply(capsys, "--local-times", "bmrs_freq.reportsnapshottime")
    assert "bmrs_freq.measurementTime: 1 rows are in the hour" in said
    select = "SELECT measurementTime, source FROM $.bmrs_freq_unified ORDER BY 1"
    assert place.run(select) == [
        (utc("2025-10-26 00:15"), "HISTORIC"),
        (utc("2025-12-06 10:00"), "HISTORIC"),
        (utc("2026-05-06 09:00"), "HISTORIC"),
    ]
    place.run(
        "INSERT INTO $.bmrs_freq_iris (measurementTime, frequency, source, record_id) "
        "VALUES (TIMESTAMP '2026-05-06 09:00:00+00', 50.1, 'IRIS', 'a'), "
        "(TIMESTAMP '2025-10-26 01:15:00+00', 50.3, 'IRIS', 'b')"
    )
    assert place.run(select) == [
        (utc("2025-10-26 01:15"), "IRIS"),
        (utc("2025-12-06 10:00"), "HISTORIC"),
        (utc("2026-05-06 09:00"), "IRIS"),
    ]


def test_utc_and_winter_are_no_complaint(place, capsys):
    place.use("FUELHH", "INDO", "ITSDO")
    for table, day, stored in (
        ("bmrs_fuelhh", SUMMER_DAY, "2026-05-06T09:30:00"),
        ("bmrs_indo", dt.date(2026, 1, 6), "2026-01-06T10:30:00"),
        ("bmrs_itsdo", SUMMER_DAY, "2026-05-06T17:00:00"),  # no hour explains it
    ):
        place.history(
            table,
            "startTime DATETIME, settlementDate DATE, settlementPeriod INT64",
            [(stored, str(day), 22)],
        )
    assert "local" not in place.apply(capsys)
    found = place.check(capsys)
    assert {name: each["status"] for name, each in found.items()} == {
        "bmrs_fuelhh.startTime": "ok",
        "bmrs_indo.startTime": "info",
        "bmrs_itsdo.startTime": "info",
    }
    detail = found["bmrs_itsdo.startTime"]["detail"]
    assert "1 of 1 rows in summer time contradict" in detail
    place.apply(capsys, "--local-times", "bmrs_fuelhh")
    found = place.check(capsys)["bmrs_fuelhh.startTime"]
    assert (found["status"], found["measured"]) == ("warn", 0)
    assert "are UTC, and are shown as UTC" in found["detail"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--local-times", "bmrs_indo"], "bmrs_indo is not a historic table"),
        (["--utc-times", "bmrs_fuelhh.fuelType"], "has no time column fuelType"),
        (
            ["--utc-times", "bmrs_fuelhh", "--local-times", "bmrs_fuelhh"],
            "--local-times and --utc-times both name bmrs_fuelhh",
        ),
    ],
)
def test_a_wrong_choice_is_refused_in_one_line(place, capsys, options, said):
    fill_case(place)
    code = main(["apply", "--project", PROJECT, "--dataset", place.name, *options])
    printed = capsys.readouterr().err
    assert (code, printed.count("\n")) == (2, 1)
    assert said in printed
