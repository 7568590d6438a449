"""`python -m analysis battery` on made-up prices of two days."""

import csv
import datetime as dt
import io
import json

import pytest

from analysis.__main__ import main
from pipeline.registry import Registry, load_registry
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.integration.market_fixture import store

pytestmark = pytest.mark.integration

DATASET = "d_battery"
MIDNIGHT = dt.datetime(2026, 5, 4, 23, tzinfo=dt.UTC)  # of 5 May in London
# By half-hour of 5 and of 6 May; the others have 50.
DEAR = {5: {36: 150.0}, 6: {38: 200.0, 36: 120.0}}
CHEAP = {5: {4: 10.0}, 6: {6: -20.0, 4: 30.0}}
ONE_CYCLE = ["--power", "50", "--energy", "25", "--efficiency", "1", "--cycles", "1"]
SIXTH = ["--from", "2026-05-06", "--to", "2026-05-07"]


def index_prices():
    for number in range(96):
        day, period = 5 + number // 48, number % 48
        price = {**DEAR[day], **CHEAP[day]}.get(period, 50.0)
        if (day, period) == (6, 47):
            continue  # nothing was published
        start = MIDNIGHT + number * dt.timedelta(minutes=30)
        for provider, value, volume in (("APXMIDP", price, 500.0), ("N2EXMIDP", 0, 0)):
            yield {
                "dataProvider": provider,
                "startTime": start.isoformat(),
                "settlementDate": f"2026-05-0{day}",
                "settlementPeriod": period + 1,
                "price": value,
                "volume": volume,
            }


@pytest.fixture(scope="module", autouse=True)
def tables(client):
    """The market index of 5 and 6 May."""
    client.create_dataset(DATASET)
    registry = Registry([load_registry()[name] for name in ("MID", "DISEBSP")])
    apply_tables(client, DATASET, list(all_tables(registry)), "EU")
    assert apply_views(client, DATASET, registry).conflicts == []
    store(client, f"{client.project}.{DATASET}.bmrs_mid_iris", list(index_prices()))
    system = {
        "startTime": MIDNIGHT.isoformat(),
        "settlementDate": "2026-05-05",
        "settlementPeriod": 1,
        "systemBuyPrice": None,
    }
    store(client, f"{client.project}.{DATASET}.bmrs_disebsp_iris", [system])


def run(*options):
    return main(["battery", *ONE_CYCLE, *options, "--dataset", DATASET])


def json_rows(capsys, *options):
    assert run(*options, "--format", "json") == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_best_schedule_stands_beside_what_yesterday_would_have_said(capsys):
    day, total = json_rows(capsys, *SIXTH)
    assert day["bestRevenue"] == 25 * (200 + 20)
    # It charges at 30 and discharges at 120, as yesterday's prices say.
    assert day["naiveRevenue"] == 25 * (120 - 30)
    assert (day["day"], total["day"]) == ("2026-05-06", "total")
    assert total["bestRevenue"] == day["bestRevenue"]


def test_half_hours_without_a_price_are_counted_aloud(capsys):
    run(*SIXTH, "--format", "json")
    errors = capsys.readouterr().err
    assert "1 half-hours have no price" in errors
    assert "not a forecast" in errors


def test_rows_by_half_hour_say_when_it_charges(capsys):
    rows = json_rows(capsys, *SIXTH, "--by", "half-hour")
    assert len(rows) == 47
    charging = [row["startTime"] for row in rows if row["bestCharged"]]
    assert charging == ["2026-05-06T02:00Z"]


def test_csv_has_the_same_rows(capsys):
    assert run(*SIXTH, "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["bestRevenue"] for row in rows] == ["5500.0", "5500.0"]


def test_a_table_is_for_people(capsys):
    assert run(*SIXTH, "--format", "table") == 0
    names, first, *_ = capsys.readouterr().out.splitlines()
    assert names.split()[:2] == ["day", "halfHours"]
    assert first.startswith("2026-05-06")
    assert "5,500.00" in first


def test_a_chart_is_a_png(capsys, tmp_path):
    chart = tmp_path / "battery.png"
    assert run(*SIXTH, "--chart", str(chart)) == 0
    assert chart.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            ("--from", "2026-05-06", "--to", "2026-05-06"),
            "--to 2026-05-06 is not after",
        ),
        (("--from", "2025-01-01", "--to", "2025-01-02"), "there is no market index"),
        (
            ("--from", "2026-05-05", "--to", "2026-05-06", "--price", "system"),
            "the price at 2026-05-04T23:00Z is nan: not a number",
        ),
    ],
)
def test_a_mistake_is_one_line(options, problem, capsys):
    assert run(*options) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert problem in line


@pytest.mark.parametrize(
    "options",
    [
        ("--power", "nan"),
        ("--energy", "0"),
        ("--efficiency", "88"),
        ("--from", "6 May"),
        ("--chart", "chart.jpg"),
    ],
)
def test_an_option_without_sense_is_refused_in_one_line(options, capsys):
    with pytest.raises(SystemExit) as end:
        run(*SIXTH, *options)
    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert options[0] in line
