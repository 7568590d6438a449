"""The tiles of the page Data, and the statement behind them."""

import datetime as dt

import pytest
from google.cloud import bigquery

from command.tables_path import TablesPath
from command.usage import UsageError
from dashboard.browsing import question
from dashboard.selection import parse
from dashboard.tiles.data import COLUMNS, ROWS
from gb_iris.relation import Relation
from pipeline.registry import load_registry
from sql.tables import dataset_table

NOW = dt.datetime(2026, 5, 6, 12, tzinfo=dt.UTC)
PATH = TablesPath("project", "dataset")


class Tables:
    """Knows the columns of the views, as BigQuery would say them."""

    def relation(self, name):
        dataset = load_registry()[name]
        fields = {
            column.name: bigquery.SchemaField(column.name, column.type)
            for column in dataset_table(dataset).columns
        }
        return Relation(f"{dataset.stem}_latest", PATH, fields, dataset, None)


def asked(**selection):
    return question(Tables(), selection, NOW).shown(10)


def test_a_day_is_one_partition():
    assert (
        "WHERE `settlementDate` >= DATE '2026-05-06' "
        "AND `settlementDate` < DATE '2026-05-07'"
    ) in asked(dataset="FUELINST", day=dt.date(2026, 5, 6))


def test_a_day_of_a_dataset_without_settlement_dates_is_that_of_great_britain():
    assert (
        "`measurementTime` >= TIMESTAMP '2026-05-05 23:00:00+00' "
        "AND `measurementTime` < TIMESTAMP '2026-05-06 23:00:00+00'"
    ) in asked(dataset="FREQ", day=dt.date(2026, 5, 6))


def test_the_days_of_the_clock_change_have_their_true_length():
    assert (
        "`measurementTime` >= TIMESTAMP '2026-10-24 23:00:00+00' "
        "AND `measurementTime` < TIMESTAMP '2026-10-26 00:00:00+00'"
    ) in asked(dataset="FREQ", day=dt.date(2026, 10, 25))


def test_without_a_day_the_statement_has_bounds_all_the_same():
    text = asked(dataset="FUELINST")
    assert "DATE '2026-04-30'" in text
    assert "DATE '2026-05-08'" in text


def test_a_unit_is_looked_for_under_each_of_its_names():
    assert "(`bmUnit` = 'T_A-1' OR `nationalGridBmUnit` = 'T_A-1')" in asked(
        dataset="PN", unit="T_A-1"
    )


@pytest.mark.parametrize("name", list(load_registry()))
def test_every_dataset_has_a_statement_that_reads_some_days(name):
    text = asked(dataset=name)
    assert "WHERE" in text
    assert "ORDER BY" in text


def test_values_are_parameters():
    found = question(Tables(), {"dataset": "PN", "unit": "T_A-1"}, NOW)
    assert "T_A-1" not in found.sql
    assert "@unit" in found.sql


@pytest.mark.parametrize("text", ["x' OR '1'='1", "a`b", 'a"b', "a;b", "a\\b"])
def test_a_unit_has_no_quotes(text):
    with pytest.raises(UsageError, match="unit: "):
        parse({"unit": text}, ["unit"])


def drawn(dataset, row):
    return ROWS.draw([row], {"dataset": dataset, "day": None, "unit": None}, NOW)


def test_a_number_that_names_something_has_no_groups_of_digits():
    row = {column.name: None for column in load_registry()["BOALF"].columns}
    drawing = drawn("BOALF", {**row, "acceptanceNumber": 242302})
    assert drawing.rows[0]["acceptanceNumber"] == "242302"


def test_what_tells_rows_apart_comes_first():
    row = {column.name: None for column in load_registry()["BOALF"].columns}
    drawing = drawn("BOALF", row)
    key = load_registry()["BOALF"].latest_key
    assert tuple(column.field for column in drawing.columns)[: len(key)] == key


def test_a_float_has_the_digits_that_it_has():
    drawing = drawn("FREQ", {"measurementTime": NOW, "frequency": 49.987})
    [frequency] = [c for c in drawing.columns if c.field == "frequency"]
    assert (frequency.digits, frequency.unit) == (3, "Hz")


def test_a_download_has_the_selection_in_its_address():
    selection = {"dataset": "PN", "day": dt.date(2026, 5, 6), "unit": "A&B 1"}
    row = {column.name: None for column in load_registry()["PN"].columns}
    links = dict(ROWS.draw([row], selection, NOW).links)
    assert links["Download CSV"] == ("/rows.csv?dataset=PN&day=2026-05-06&unit=A%26B+1")


def test_nested_columns_are_described_by_their_path():
    found = COLUMNS.ask(None, {"dataset": "REMIT"}, NOW)
    assert "outageProfile.capacity" in [row["name"] for row in found.rows]
