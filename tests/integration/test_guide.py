"""The queries in the documents run as they are; those of the guide answer rightly."""

import datetime as dt
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from apache_beam.testing import test_pipeline

from local.bigquery.emulator import connect
from pipeline.bigquery.warehouse import Warehouse
from pipeline.graph import Plan, build
from pipeline.steps.sources import ReadFiles
from pipeline.steps.write_rows import WriteRows
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from sql.working_days import london_day
from tests.integration.guide_fixture import MESSAGES
from tests.integration.history_fixture import FIXTURES, registry_of

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "guide.md").read_text()
OPERATIONS = (DOCS / "operations.md").read_text()
DEAD_LETTERS = (DOCS / "dead-letters.md").read_text()
ROWS = (DOCS / "rows.md").read_text()
MARKET = (DOCS / "market.md").read_text()
# INDO has a time beside date and period.
CLOCK_CHANGE = FIXTURES / "guide" / "clock_change" / "INDO"
# The unit that the guide asks for.
UNIT = "MRWD-1"


def queries(text):
    """Its queries, but those of what only BigQuery itself has."""
    found = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    return [query for query in found if "INFORMATION_SCHEMA" not in query]


def queries_of_the_guide():
    """Its queries, by section and number."""
    _, *sections = re.split(r"^## ", GUIDE, flags=re.MULTILINE)
    return {
        (section.splitlines()[0], number): query
        for section in sections
        for number, query in enumerate(queries(section), 1)
    }


QUERIES = queries_of_the_guide()
NAMES = re.findall(r"uk_energy_prod\.bmrs_([a-z0-9]+)_", GUIDE + OPERATIONS)
# The market views read these.
UNDER_MARKET = (
    *("REMIT", "PN", "UOU2T14D", "EBOCF", "IGCPU"),
    *("BOALF", "BOD", "BOAV", "MELS", "MILS", "FUELINST", "FUELHH"),
    *("INDO", "ITSDO", "NDF", "TSDF", "WINDFOR", "DISEBSP", "MID", "FREQ"),
)
DATASETS = sorted({name.upper() for name in NAMES} | {*UNDER_MARKET})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query of the guide returns at an instant, worked out by hand.

    Attributes:
        section: The section of the guide.
        at: The instant that is now.
        rows: The rows, in order; times as text, numbers rounded to 3 places.
        query: Which query of the section, from 1 on.
        unit: The unit that is asked for instead of the guide's.
    """

    section: str
    at: str
    rows: Sequence[tuple[Any, ...]]
    query: int = 1
    unit: str = UNIT

    def __str__(self):
        return f"{self.section} {self.query} {self.unit} {self.at}"


def half_hours(day, first, count):
    """The beginning of each half-hour of a day, and the action in it."""
    start = dt.datetime.fromisoformat(first)
    return [
        (
            day,
            n + 1,
            f"{start + n * dt.timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}",
            1.0,
            101.0 + n,
        )
        for n in range(count)
    ]


MIDNIGHT = (900, "2026-07-01T22:40:00Z", "2026-07-02T00:10:00Z", 0, 0, True)
FROM_501 = ("2026-05-06T13:30:00Z", 501, "2026-05-06T13:40:00Z", "2026-05-06T14:20:00Z")
FROM_502 = ("2026-05-06T13:52:00Z", 502, "2026-05-06T14:00:00Z", "2026-05-06T14:20:00Z")
NIGHT = "2025-10-25T22:30:00Z"
# CLK-1 over the night in which the clocks go back: numbers and spans.
LATE = (NIGHT, 1, "2025-10-25T22:50:00Z", "2025-10-25T23:10:00Z", 0, 10, False)
AT_MIDNIGHT = (NIGHT, 2, "2025-10-25T22:40:00Z", "2025-10-25T23:00:00Z", 0, 10, False)
NEXT_NIGHT = (NIGHT, 3, "2025-10-26T23:50:00Z", "2025-10-27T00:10:00Z", 0, 10, False)
NEXT_DAY = (NIGHT, 4, "2025-10-27T00:00:00Z", "2025-10-27T00:10:00Z", 0, 10, False)
LIMIT_1, LIMIT_2 = "2026-05-06T01:00:00Z", "2026-05-06T02:00:00Z"

ANSWERS = [
    Answer("How fresh is it?", "2026-05-06T09:00:00Z", [("2026-05-06T08:59:45Z", 15)]),
    # The API's answer has one of the two records of IRIS: it counts as IRIS's.
    Answer(
        "Where do the rows come from?",
        "2026-09-12T09:00:00Z",
        [("2026-09-09", "IRIS", 2), ("2026-09-10", "INSIGHTS_API", 1)],
    ),
    Answer(
        "Settlement periods",
        "2025-03-30T12:00:00Z",
        half_hours("2025-03-30", "2025-03-30T00:00:00", 46),
    ),
    Answer(
        "Settlement periods",
        "2025-10-26T12:00:00Z",
        half_hours("2025-10-26", "2025-10-25T23:00:00", 50),
    ),
    Answer(
        "Settlement periods",
        "2026-05-06T09:00:00Z",
        [
            ("2026-05-06", 1, "2026-05-05T23:00:00Z", 6.0, 780.0),
            ("2026-05-06", 48, "2026-05-06T22:30:00Z", 0.0, 0.0),
        ],
    ),
    # 01:00 UTC is 02:00 in London, but the third half-hour of the day.
    Answer(
        "Settlement periods",
        "2025-03-30T12:00:00Z",
        [
            ("2025-03-30", 1, 50.0, 50.0),
            ("2025-03-30", 2, 50.1, 50.1),
            ("2025-03-30", 3, 50.2, 50.3),
            ("2025-03-30", 46, 50.4, 50.4),
        ],
        query=2,
    ),
    Answer(
        "Settlement periods",
        "2025-10-26T12:00:00Z",
        [
            ("2025-10-26", 1, 50.0, 50.0),
            ("2025-10-26", 4, 50.1, 50.1),
            ("2025-10-26", 5, 50.2, 50.2),
            ("2025-10-26", 50, 50.4, 50.4),
        ],
        query=2,
    ),
    # 0 and 6000 at first; then 6000 instead of 0.
    Answer("Generation by fuel", "2026-11-27T12:00:00Z", [(19, "QAWIND", 6000.0)]),
    Answer(
        "Generation by fuel",
        "2026-12-02T09:07:00Z",
        [(18, "INTFR", -850.0), (18, "PS", -625.0), (18, "WIND", 5100.0)],
    ),
    Answer(
        "Generation by fuel",
        "2026-12-02T09:07:00Z",
        [("WIND", 5200), ("PS", -650), ("INTFR", -800)],
        query=2,
    ),
    Answer(
        "Solar and wind",
        "2026-05-06T12:00:00Z",
        [(20, "Solar", 4250.5), (20, "Wind Onshore", 3000.0)],
    ),
    Answer(
        "Market index price",
        "2026-05-06T12:00:00Z",
        [(20, 116.79, 2410.25), (21, 0.0, 850.5), (22, -102.9, 900.0)],
    ),
    # (60 * 300 + 90 * 100) / 400; no trade; the file of serial number 10.
    Answer(
        "Market index price",
        "2026-05-07T12:00:00Z",
        [(1, 67.5, 400.0), (2, None, 0.0), (3, 55.0, 200.0)],
    ),
    Answer(
        "System price",
        "2026-05-06T12:00:00Z",
        [
            ("2026-05-05", 2, 82.5, 121.0, "2026-05-06T09:22:00Z"),
            ("2026-05-05", 4, -25.0, -61.0, "2026-05-06T09:22:00Z"),
            ("2026-05-05", 6, 100.0, 3.0, "2026-05-05T04:22:00Z"),
        ],
    ),
    Answer(
        "System price",
        "2026-05-06T12:00:00Z",
        [("2026-05-05", 4, 20.0, 2), ("2026-05-05", 2, 2.5, 2)],
        query=2,
    ),
    *(
        Answer(
            "Acceptances of one unit",
            f"{day}T12:00:00Z",
            [("2026-07-01T22:20:00Z", *MIDNIGHT)] if holds else [],
            unit="QAMID-1",
        )
        for day, holds in (
            ("2026-06-30", False),
            ("2026-07-01", True),
            ("2026-07-02", True),
            ("2026-07-03", False),
        )
    ),
    Answer(
        "Acceptances of one unit",
        "2025-10-25T12:00:00Z",
        [LATE, AT_MIDNIGHT],
        unit="CLK-1",
    ),
    # Number 5 of this day was withdrawn.
    Answer(
        "Acceptances of one unit",
        "2025-10-26T12:00:00Z",
        [LATE, NEXT_NIGHT],
        unit="CLK-1",
    ),
    Answer(
        "Acceptances of one unit",
        "2025-10-27T12:00:00Z",
        [NEXT_NIGHT, NEXT_DAY],
        unit="CLK-1",
    ),
    Answer(
        "Acceptances of one unit",
        "2026-05-06T12:00:00Z",
        [(*FROM_501, 40, 40, False), (*FROM_502, -10, -10, False)],
        unit="QABAT-1",
    ),
    *(
        Answer("The level of a unit now", f"{at}Z", [row], unit="QABAT-1")
        for at, row in (
            ("2026-05-06T13:35:00", (None, -20.0)),
            ("2026-05-06T13:40:00", (501, 40.0)),
            ("2026-05-06T13:59:59", (501, 40.0)),
            ("2026-05-06T14:00:00", (502, -10.0)),
            ("2026-05-06T14:19:59", (502, -10.0)),
            # A third of the way from 0 to -20 is left.
            ("2026-05-06T14:20:00", (None, -6.667)),
        )
    ),
    # Half past midnight in London, by an acceptance of the day before.
    Answer(
        "The level of a unit now",
        "2026-07-01T23:30:00Z",
        [(900, 0.0)],
        unit="QAMID-1",
    ),
    Answer("The level of a unit now", "2026-07-02T00:10:00Z", [], unit="QAMID-1"),
    Answer(
        "The level of a unit now", "2026-05-08T08:15:00Z", [(10, 150.0)], unit="RAMP-1"
    ),
    Answer(
        "The level of a unit now", "2026-05-08T08:20:00Z", [(None, 20.0)], unit="RAMP-1"
    ),
    # The only acceptance of that time was withdrawn.
    Answer("The level of a unit now", "2025-10-26T12:05:00Z", [], unit="CLK-1"),
    Answer(
        "Cashflows of a day",
        "2026-08-06T12:00:00Z",
        [
            ("2026-08-03", 2, "2026-08-04T09:00:00Z", "2026-08-06T09:00:00Z"),
            ("2026-08-04", 1, "2026-08-05T09:00:00Z", "2026-08-05T09:00:00Z"),
        ],
    ),
    Answer(
        "What a unit can export",
        "2026-05-06T09:00:00Z",
        [
            ("2026-05-06T10:00:00Z", "2026-05-06T11:00:00Z", 430, 430, LIMIT_1),
            ("2026-05-06T11:00:00Z", "2026-05-06T12:00:00Z", 200, 200, LIMIT_2),
            ("2026-05-06T12:00:00Z", "2026-05-06T14:00:00Z", 430, 430, LIMIT_1),
        ],
    ),
    Answer(
        "What a unit can export",
        "2026-05-06T12:30:00Z",
        [("2026-05-06T12:00:00Z", "2026-05-06T14:00:00Z", 430, 430, LIMIT_1)],
    ),
    # The function cuts at its ends.
    Answer(
        "What a unit can export",
        "2026-05-06T12:30:00Z",
        [
            (UNIT, "2026-05-06T10:00:00Z", "2026-05-06T11:00:00Z", 430, 430),
            (UNIT, "2026-05-06T11:00:00Z", "2026-05-06T12:00:00Z", 200, 200),
            (UNIT, "2026-05-06T12:00:00Z", "2026-05-06T12:30:00Z", 430, 430),
            ("OTHER-1", "2026-05-06T09:00:00Z", "2026-05-06T10:30:00Z", 50, 50),
        ],
        query=2,
    ),
    Answer(
        "Current outages",
        "2026-05-06T12:00:00Z",
        [
            ("A-1", "Fossil Gas", 300.0, "2026-05-06T10:00:00Z", None, "Fault"),
            (
                *("C-1", "Fossil Gas", 120.5),
                *("2026-05-06T10:00:00Z", "2026-05-06T12:00:01Z", "Fault"),
            ),
        ],
    ),
    Answer(
        "Names of units",
        "2025-11-02T12:00:00Z",
        [("QAHUM-1", "T_QAHUM-1")],
        unit="QAHUM-1",
    ),
    *(
        Answer("Names of units", "2025-11-03T12:00:00Z", [row], unit=unit)
        for unit, row in (
            ("2__FFSEN007", ("FFSE02", "2__FFSEN007")),
            ("FFSE02", ("FFSE02", "2__FFSEN007")),
            ("NONAME-1", ("NONAME-1", None)),
        )
    ),
    Answer(
        "A forecast as it was known",
        "2026-06-13T08:00:00Z",
        [
            ("2026-06-12T06:00:00Z", "2026-06-12T06:00:00Z", 20),
            ("2026-06-12T06:00:00Z", "2026-06-13T00:00:00Z", 30),
        ],
    ),
]


@pytest.fixture(scope="module")
def client(client, bigquery_host, tmp_path_factory):
    """Like `make query`'s: names without a dataset are those of uk_energy_prod."""
    registry = registry_of(*DATASETS)
    apply_tables(client, "uk_energy_prod", list(all_tables(registry)), "EU")
    warehouse = Warehouse(client.project, "uk_energy_prod")
    with test_pipeline.TestPipeline(runner="FnApiRunner") as pipeline:
        source = ReadFiles(str(messages(tmp_path_factory.mktemp("guide")) / "*" / "*"))
        rows = WriteRows(warehouse.insert)
        build(pipeline, Plan(source, "by_grouping", 24, rows, warehouse.insert))
    assert apply_views(client, "uk_energy_prod", registry).conflicts == []
    return connect(bigquery_host)


def messages(folder):
    """The folder with all messages."""
    for file in (FIXTURES / "guide").glob("*/*/*"):
        if file.parent == CLOCK_CHANGE:
            continue
        (folder / file.parent.name).mkdir(exist_ok=True)
        shutil.copy(file, folder / file.parent.name)
    for name, body in MESSAGES.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        assert not file.exists(), name
        file.write_text(json.dumps(body))
    return folder


def as_of(query, at, unit):
    """The query with the instant for now, its day for today, and another unit."""
    instant = dt.datetime.fromisoformat(at)
    now = f"TIMESTAMP '{instant:%Y-%m-%d %H:%M:%S}+00'"
    for call, value in (
        ("CURRENT_DATE('Europe/London')", f"DATE '{london_day(instant)}'"),
        ("CURRENT_TIMESTAMP()", now),
        ("gb_outages_now", f"gb_outages_at({now})"),
        # A name of the unit with its prefix, or any other that the answer asks for.
        (f"'T_{UNIT}'", f"'T_{UNIT}'" if unit == UNIT else f"'{unit}'"),
        (f"'{UNIT}'", f"'{unit}'"),
    ):
        query = query.replace(call, value)
    assert "CURRENT" not in query, "the answer would depend on the day of the test"
    return query


def plain(value):
    if isinstance(value, dt.datetime):
        return f"{value.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, dt.date):
        return str(value)
    return round(value, 3) if isinstance(value, float) else value


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_query_of_the_guide_answers_rightly(client, answer):
    query = QUERIES[answer.section, answer.query]
    found = client.query_and_wait(as_of(query, answer.at, answer.unit))
    assert [tuple(map(plain, row.values())) for row in found] == list(answer.rows)


def test_every_query_of_the_guide_has_a_worked_answer():
    answered = {(answer.section, answer.query) for answer in ANSWERS}
    assert answered == set(QUERIES)


@pytest.mark.parametrize("day", ["2025-03-30", "2025-10-26"])
def test_elexon_says_the_same_beginnings_of_half_hours(day):
    (worked,) = (
        answer.rows
        for answer in ANSWERS
        if (answer.section, answer.query) == ("Settlement periods", 1)
        and answer.rows[0][0] == day
    )
    name = f"INDO_{day.replace('-', '')}2355_1.json"
    records = json.loads((CLOCK_CHANGE / name).read_text())
    assert [(each["settlementPeriod"], each["startTime"]) for each in records] == [
        row[1:3] for row in worked
    ]


def test_every_section_is_in_the_index():
    index = GUIDE[: GUIDE.index("\n## ")]
    for section in re.findall(r"^## (.*)", GUIDE, re.MULTILINE):
        assert f"[{section}](#" in index


@pytest.mark.parametrize(
    ("page", "least"),
    [(GUIDE, 15), (OPERATIONS, 5), (DEAD_LETTERS, 2), (ROWS, 1), (MARKET, 9)],
    ids=["guide", "operations", "dead letters", "rows", "market"],
)
def test_every_query_runs(client, page, least):
    assert len(queries(page)) >= least
    for query in queries(page):
        rows = client.query_and_wait(query)
        assert rows.schema, query
