"""`python -m analysis forecast` on made-up prices of some weeks."""

import datetime as dt
import json

import pytest

from analysis.__main__ import main
from analysis.days import Days, clock_of, day_of
from pipeline.registry import Registry, load_registry
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.integration.market_fixture import store

pytestmark = pytest.mark.integration

DATASET = "d_forecast"
# The clock changes on 29 March.
FIRST, END = dt.date(2026, 3, 1), dt.date(2026, 4, 1)


def price(start):
    """Dear in the evening, 10 dearer each day."""
    hour = int(clock_of(start)[:2])
    return (100.0 if hour in (17, 18) else 40.0) + 10 * (day_of(start) - FIRST).days


@pytest.fixture(scope="module", autouse=True)
def tables(client):
    """The market index of March."""
    client.create_dataset(DATASET)
    registry = Registry([load_registry()["MID"]])
    apply_tables(client, DATASET, list(all_tables(registry)), "EU")
    assert apply_views(client, DATASET, registry).conflicts == []
    rows = [
        {
            "dataProvider": "APXMIDP",
            "startTime": start.isoformat(),
            "settlementDate": day_of(start).isoformat(),
            "settlementPeriod": 1 + number,
            "price": price(start),
            "volume": 1.0,
        }
        for number, start in enumerate(Days(FIRST, END).half_hours())
    ]
    store(client, f"{client.project}.{DATASET}.bmrs_mid_iris", rows)


def run(day, *options):
    words = ["forecast", day, "--backtest", "2", "--dataset", DATASET]
    return main([*words, *options, "--format", "json"])


def answered(capsys, *words):
    assert run(*words) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_forecasts_stand_beside_each_other_and_the_price(capsys):
    rows = answered(capsys, "2026-03-27")
    assert len(rows) == 48
    row = rows[34]
    assert row["startTime"] == "2026-03-27T17:00Z"
    assert (row["yesterday"], row["lastWeek"], row["price"]) == (350, 290, 360)
    assert 290 < row["model"] < 370


def test_a_day_of_which_no_price_is_known_is_forecast(capsys):
    row = answered(capsys, "2026-04-01")[0]
    assert row["price"] is None
    assert row["yesterday"] == 340


def test_the_day_of_the_clock_change_has_its_half_hours(capsys):
    assert len(answered(capsys, "2026-03-29")) == 46


def test_the_errors_of_each_method_are_rows(capsys):
    rows = {
        row["method"]: row for row in answered(capsys, "2026-03-27", "--by", "method")
    }
    assert rows["yesterday"]["meanAbsoluteError"] == 10
    assert rows["lastWeek"]["bias"] == -70
    assert rows["model"]["halfHours"] == 2 * 48


def test_the_errors_are_said_with_the_forecast(capsys):
    run("2026-03-27")
    assert "mean absolute error of the 2 days before" in capsys.readouterr().err


def test_a_forecast_has_a_chart(capsys, tmp_path):
    chart = tmp_path / "forecast.png"
    assert run("2026-03-27", "--chart", str(chart)) == 0
    assert chart.read_bytes().startswith(b"\x89PNG")


def test_too_few_days_are_a_mistake_in_one_line(capsys):
    assert run("2026-03-10") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "is 9 days before 2026-03-10" in line
