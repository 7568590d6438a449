"""`python -m analysis compare` and `trades` on a day of the demo."""

import contextlib
import io
import json

import pytest

from analysis.__main__ import main
from command.tables_path import DATASET
from tests.integration.demo_fixture import store_demo
from tests.integration.market_fixture import values

pytestmark = pytest.mark.integration

SENT = ("BOALF", "BOD", "DISEBSP", "FREQ", "FUELINST", "INDO", "MID", "PN")
YESTERDAY, TODAY = "2026-05-05", "2026-05-06"
PLACE = ["--format", "json"]


@pytest.fixture(scope="module", autouse=True)
def demo(client, tmp_path_factory, bigquery_server):
    """The demo's yesterday and this morning."""
    store_demo(client, tmp_path_factory.mktemp("demo"), SENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIGQUERY_GRPC_PORT", str(bigquery_server["grpc_port"]))
        yield


def answered(*words):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main([*words, *PLACE]) == 0
    return [json.loads(line) for line in out.getvalue().splitlines()]


def compared(first, second):
    return {row["figure"]: row for row in answered("compare", first, second)}


@pytest.fixture(scope="module")
def unit(demo, client):
    """The unit with the most acceptances of yesterday."""
    return one(
        client,
        "SELECT nationalGridBmUnit FROM gb_acceptance_volumes "
        f"WHERE settlementDate = '{YESTERDAY}' "
        "GROUP BY nationalGridBmUnit ORDER BY COUNT(*) DESC, 1 LIMIT 1",
    )


@pytest.fixture(scope="module")
def days(demo):
    return compared(YESTERDAY, TODAY)


def one(client, sql):
    [[value]] = values(client, sql.replace("FROM ", f"FROM {DATASET}."))
    return value


def test_two_days_stand_side_by_side(client, days):
    wind = one(
        client,
        "SELECT AVG(generation) FROM bmrs_fuelinst_latest "
        f"WHERE fuelType = 'WIND' AND settlementDate = '{YESTERDAY}'",
    )
    row = days["generation WIND"]
    assert row["unit"] == "MW"
    assert row[YESTERDAY] == pytest.approx(wind, abs=0.001)
    assert row["difference"] == pytest.approx(row[TODAY] - row[YESTERDAY], abs=0.002)


@pytest.mark.parametrize(
    ("figure", "sql"),
    [
        ("demand, highest", "MAX(demand) FROM bmrs_indo_latest"),
        ("system price, mean", "AVG(systemBuyPrice) FROM bmrs_disebsp_latest"),
        ("net imbalance", "SUM(netImbalanceVolume) FROM bmrs_disebsp_latest"),
        (
            "market index price, mean",
            "SUM(price * volume) / SUM(volume) FROM bmrs_mid_latest",
        ),
        ("acceptances, offerVolume", "SUM(offerVolume) FROM gb_acceptance_volumes"),
        ("acceptances, cashflow", "SUM(cashflow) FROM gb_acceptance_volumes"),
        (
            "acceptances",
            "COUNT(DISTINCT CONCAT(COALESCE(nationalGridBmUnit, bmUnit), ' ', "
            "CAST(acceptanceNumber AS STRING))) "
            "FROM gb_acceptance_volumes",
        ),
    ],
)
def test_a_figure_of_a_day_is_what_sql_says(figure, sql, client, days):
    expected = one(client, f"SELECT {sql} WHERE settlementDate = '{YESTERDAY}'")
    row = days[figure]
    assert row[YESTERDAY] == pytest.approx(float(expected), abs=0.001)


def test_frequency_is_of_the_day_in_great_britain(client, days):
    expected = one(
        client,
        "SELECT MIN(frequency) FROM bmrs_freq_latest WHERE measurementTime >= "
        "'2026-05-04T23:00:00Z' AND measurementTime < '2026-05-05T23:00:00Z'",
    )
    row = days["frequency, lowest"]
    assert row[YESTERDAY] == pytest.approx(expected)


def test_half_hours_are_compared_too(client):
    first, second = "2026-05-05T09:00Z", "2026-05-05T17:30Z"
    found = compared(first, second)
    expected = one(
        client,
        "SELECT demand FROM bmrs_indo_latest WHERE startTime = '2026-05-05T17:30:00Z'",
    )
    assert found["demand, mean"][second] == expected
    assert found["system price, half-hours with values"][first] == 1


def test_what_is_not_known_is_null():
    row = compared(YESTERDAY, "2020-01-01")["demand, mean"]
    assert (row["2020-01-01"], row["difference"]) == (None, None)
    assert row[YESTERDAY] > 0


def test_a_comparison_has_a_chart(tmp_path):
    chart = tmp_path / "compare.png"
    assert main(["compare", YESTERDAY, TODAY, "--chart", str(chart)]) == 0
    assert chart.read_bytes().startswith(b"\x89PNG")


def trades(unit, *options):
    return answered("trades", unit, "--from", YESTERDAY, "--to", TODAY, *options)


def test_acceptances_of_a_unit_are_those_of_the_view(unit, client):
    rows = trades(unit, "--by", "acceptance")
    [[count, cashflow]] = values(
        client,
        f"SELECT COUNT(*), SUM(cashflow) FROM {DATASET}.gb_acceptance_volumes "
        f"WHERE nationalGridBmUnit = '{unit}' AND settlementDate = '{YESTERDAY}'",
    )
    assert len(rows) == count
    assert sum(row["cashflow"] for row in rows) == pytest.approx(cashflow, abs=0.05)


def test_an_acceptance_stands_beside_price_and_frequency(unit, client):
    row = trades(unit, "--by", "acceptance")[0]
    start = row["startTime"].replace("Z", ":00Z")
    price = one(
        client,
        f"SELECT systemBuyPrice FROM bmrs_disebsp_latest WHERE startTime = '{start}'",
    )
    frequency = one(
        client,
        "SELECT AVG(frequency) FROM bmrs_freq_latest "
        f"WHERE measurementTime >= '{start}' "
        f"AND measurementTime < TIMESTAMP_ADD('{start}', INTERVAL 30 MINUTE)",
    )
    assert row["systemPrice"] == pytest.approx(price, abs=0.001)
    assert row["frequency"] == pytest.approx(frequency, abs=0.001)


@pytest.mark.parametrize("by", ["hour", "price", "frequency"])
def test_every_half_hour_of_the_day_is_in_one_group(by, unit):
    rows = trades(unit, "--by", by)
    half_hours = {row["startTime"] for row in trades(unit, "--by", "acceptance")}
    assert sum(row["halfHours"] for row in rows) == 48
    assert sum(row["acceptedHalfHours"] for row in rows) == len(half_hours)


def test_a_unit_has_either_name(unit, client):
    name = one(
        client,
        "SELECT MAX(bmUnit) FROM bmrs_boalf_latest "
        f"WHERE nationalGridBmUnit = '{unit}'",
    )
    assert name != unit
    assert trades(name) == trades(unit)


def test_trades_have_a_chart(unit, tmp_path):
    chart = tmp_path / "trades.png"
    trades(unit, "--chart", str(chart))
    assert chart.read_bytes().startswith(b"\x89PNG")


def test_a_unit_without_acceptances_is_a_mistake_in_one_line(capsys):
    words = ["trades", "NONE-1", "--from", YESTERDAY, "--to", TODAY]
    assert main(words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "NONE-1 has no acceptance" in line


@pytest.mark.parametrize("wrong", ["May", "2026-05-06T12:00", "2026-05-06T12:10Z"])
def test_a_time_that_is_not_a_half_hour_is_refused_in_one_line(wrong, capsys):
    with pytest.raises(SystemExit) as end:
        main(["compare", YESTERDAY, wrong])
    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"{wrong!r} is not a day or the start of a half-hour" in line
