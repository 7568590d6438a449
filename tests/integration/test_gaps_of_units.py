"""`sql check --only completeness` of PN and BOD: a unit was seen around a gap."""

import datetime as dt
import itertools
import json
from pathlib import Path

import pytest
from google.cloud import bigquery

from pipeline.registry import load_registry
from sql.__main__ import main
from sql.apply import apply_tables, apply_views
from sql.check import command as check
from sql.tables import all_tables
from sql.working_days import ONE_DAY, day_start
from tests.integration.history_fixture import FIXTURES, registry_of

pytestmark = pytest.mark.integration

REGISTRY = registry_of("PN", "BOD")
DAY = dt.date(2026, 11, 19)
NAMES = itertools.count()
HALF_HOUR = dt.timedelta(minutes=30)


@pytest.fixture
def status(client, monkeypatch, capsys):
    """Loads rows by dataset, runs the check, and returns its results by dataset."""
    monkeypatch.setattr(check, "load_registry", lambda: REGISTRY)

    def run(rows, at="2026-11-20T09:00:00Z", *options, history=None):
        dataset = f"gaps_{next(NAMES)}"
        apply_tables(client, dataset, list(all_tables(REGISTRY)), "EU")
        for name, records in rows.items():
            load(client, dataset, REGISTRY[name].table, records)
        if history:
            client.query(
                f"CREATE TABLE {dataset}.bmrs_pn (settlementDate DATETIME, "
                "settlementPeriod INT64, timeFrom STRING, timeTo STRING, levelFrom "
                "INT64, levelTo INT64, nationalGridBmUnit STRING, bmUnit STRING)"
            ).result()
            load(client, dataset, "bmrs_pn", history)
            apply_views(client, dataset, REGISTRY)
        arguments = ["check", "--project", client.project, "--dataset", dataset]
        arguments += ["--only", "completeness", "--format", "json", "--at", at]
        main([*arguments, *options])
        document = json.loads(capsys.readouterr().out)
        return {
            result["dataset"]: result
            for result in document["results"]
            if result["check"] == "completeness"
        }

    return run


def load(client, dataset, table, records):
    name = f"{client.project}.{dataset}.{table}"
    schema = client.get_table(name).schema
    known = {field.name for field in schema}
    rows = []
    for n, record in enumerate(records):
        whole = {**record, "record_id": f"{n:032x}", "source": "IRIS"}
        rows.append({name: value for name, value in whole.items() if name in known})
    job = bigquery.LoadJobConfig(schema=schema)
    client.load_table_from_json(rows, name, job_config=job).result()


def periods(day=DAY):
    """All settlement periods of a day."""
    length = day_start(day + ONE_DAY) - day_start(day)
    return range(1, length // HALF_HOUR + 1)


def half_hour(unit, day, period, **values):
    start = day_start(day) + (period - 1) * HALF_HOUR
    return {
        "settlementDate": str(day),
        "settlementPeriod": period,
        "timeFrom": start.isoformat(),
        "timeTo": (start + HALF_HOUR).isoformat(),
        "levelFrom": 50,
        "levelTo": 50,
        "nationalGridBmUnit": unit,
        **values,
    }


def unit_rows(unit, day=DAY, without=(), only=None, **values):
    """A row of a unit for each half-hour of a day."""
    return [
        half_hour(unit, day, period, **values)
        for period in only or periods(day)
        if period not in without
    ]


def days_of(unit, *days, without=()):
    return [row for day in days for row in unit_rows(unit, day, without)]


def test_a_half_hour_that_one_unit_lacks_is_named(status):
    (message,) = Path(FIXTURES / "gaps" / "PN").iterdir()
    result = status({"PN": json.loads(message.read_text())})["PN"]
    assert (result["status"], result["measured"]) == ("fail", 1)
    assert (result["expected"], result["found"]) == (96, 95)
    assert result["detail"] == (
        "2026-11-19: 95 of 96 half-hours of units, 1 missing (1.0%): "
        "2026-11-19 settlement periods 24 of QALLW-1"
    )


def test_units_that_stop_or_begin_are_no_gap(status):
    rows = [
        *unit_rows("A-1"),
        *unit_rows("STOPS-1", only=range(1, 21)),
        *unit_rows("BEGINS-1", only=range(30, 49)),
        # Away for more than half a day: it stopped, and began again.
        *unit_rows("PEAKS-1", only=[*range(1, 4), *range(34, 49)]),
        # Stopped the day before, begins the day after.
        *unit_rows("WAS-1", DAY - ONE_DAY),
        *unit_rows("WILL-1", DAY + ONE_DAY),
        *unit_rows("ONCE-1", only=[12]),
    ]
    result = status({"PN": rows})["PN"]
    assert (result["status"], result["measured"]) == ("ok", 0)


def test_gaps_over_midnight_are_seen_from_the_days_beside(status):
    both = (DAY - ONE_DAY, DAY, DAY + ONE_DAY)
    rows = [
        *days_of("A-1", *both),
        *days_of("FIRST-1", DAY - ONE_DAY),
        *unit_rows("FIRST-1", without=(1, 2)),
        *unit_rows("LAST-1", without=(48,)),
        *days_of("LAST-1", DAY + ONE_DAY),
        # A gap of the days beside is theirs.
        *unit_rows("OTHER-1", DAY - ONE_DAY, without=(20,)),
        *days_of("OTHER-1", DAY),
    ]
    result = status({"PN": rows})["PN"]
    assert result["measured"] == 3
    assert "periods 1-2 of FIRST-1" in result["detail"]
    assert "periods 48 of LAST-1" in result["detail"]
    assert "OTHER" not in result["detail"]


def test_segments_count_once_and_pairs_may_differ(status):
    segments = [
        {**half_hour("A-1", DAY, 5), "timeTo": "2026-11-19T02:10:00Z"},
        {**half_hour("A-1", DAY, 5), "timeFrom": "2026-11-19T02:10:00Z"},
    ]
    bids = [
        *unit_rows("A-1", pairId=1),
        *unit_rows("A-1", pairId=-1, without=range(8, 30, 2)),
        *unit_rows("B-1", pairId=1, without=(7,)),
        *unit_rows("B-1", pairId=2, without=(7,)),
    ]
    results = status({"PN": [*unit_rows("A-1"), *segments], "BOD": bids})
    assert (results["PN"]["status"], results["PN"]["found"]) == ("ok", 48)
    assert (results["BOD"]["measured"], results["BOD"]["found"]) == (1, 95)
    assert "periods 7 of B-1" in results["BOD"]["detail"]


def test_what_no_unit_has_is_missing_however_long(status):
    units = [f"{letter}-1" for letter in "ABCDE"]
    lost = range(10, 41)
    rows = [row for unit in units for row in unit_rows(unit, without=lost)]
    result = status({"PN": rows})["PN"]
    assert (result["measured"], result["expected"]) == (5 * 31, 5 * 48)
    assert result["detail"].endswith("periods 10-40 of all units")
    # The feed stopped for good: all units at once.
    rows = [row for unit in units for row in unit_rows(unit, only=range(1, 41))]
    result = status({"PN": rows})["PN"]
    assert result["measured"] == 5 * 8
    assert result["detail"].endswith("periods 41-48 of all units")


def test_a_new_installation_owes_nothing_before_its_first_row(status):
    results = status({"PN": [*unit_rows("A-1", only=range(30, 49))], "BOD": []})
    assert (results["PN"]["status"], results["PN"]["found"]) == ("ok", 19)
    assert results["BOD"]["status"] == "info"
    # The first rows are of today: yesterday owes nothing.
    results = status({"PN": unit_rows("A-1", DAY + ONE_DAY)})
    assert results["PN"]["status"] == "info"
    # But if there are rows of last week, days are lost.
    rows = unit_rows("A-1", DAY - 7 * ONE_DAY)
    results = status({"PN": [*rows, *unit_rows("A-1", only=range(30, 49))]})
    assert results["PN"]["measured"] == 29
    results = status({"PN": rows})
    assert (results["PN"]["status"], results["PN"]["measured"]) == ("fail", 48)


@pytest.mark.parametrize(
    ("day", "count"), [(dt.date(2026, 3, 29), 46), (dt.date(2026, 10, 25), 50)]
)
def test_days_on_which_the_clocks_change(status, day, count):
    beside = (day - ONE_DAY, day + ONE_DAY)
    rows = [
        *days_of("WHOLE-1", beside[0], day, beside[1]),
        *days_of("A-1", *beside),
        *unit_rows("A-1", day, without=(3, count)),
    ]
    at = f"{day + ONE_DAY}T09:00:00Z"
    result = status({"PN": rows}, at)["PN"]
    assert (result["measured"], result["expected"]) == (2, 2 * count)
    assert f"{day} settlement periods 3 of A-1" in result["detail"]
    assert f"{day} settlement periods {count} of A-1" in result["detail"]


def test_several_days_and_a_day_that_is_not_over(status):
    days = [DAY - n * ONE_DAY for n in (2, 1, 0)]
    rows = [
        *days_of("A-1", *days, without=(4,)),
        *days_of("B-1", *days),
        *unit_rows("A-1", DAY + ONE_DAY, only=(1, 2, 5)),
    ]
    result = status({"PN": rows}, "2026-11-20T03:00:00Z", "--days", "3")["PN"]
    assert (result["measured"], result["expected"]) == (3, 2 * 3 * 48)
    assert "2026-11-17 settlement periods 4 of A-1" in result["detail"]
    assert "2026-11-20" not in result["detail"]


def test_history_fills_a_gap(status):
    rows = [*unit_rows("A-1", without=(24,)), *unit_rows("B-1")]
    filled = half_hour("A-1", DAY, 24)
    history = [{**filled, "settlementDate": f"{DAY}T00:00:00"}]
    assert status({"PN": rows}, history=history)["PN"]["status"] == "ok"


def test_units_with_one_gap_are_counted_and_some_are_named(status):
    units = [f"U-{n}" for n in range(6)]
    rows = [row for unit in units for row in unit_rows(unit, without=(9,))]
    rows += unit_rows("WHOLE-1")
    result = status({"PN": rows})["PN"]
    assert result["measured"] == 6
    assert result["gaps"] == (
        "2026-11-19 settlement periods 9 of U-0, U-1, U-2 and 3 more"
    )


def test_the_registry_checks_units_in_pn_and_bod():
    units = {d.name: d.series for d in load_registry().values() if d.completeness}
    assert units == {"PN": ("nationalGridBmUnit",), "BOD": ("nationalGridBmUnit",)}
