"""The reference list of units: what is read of it."""

import datetime as dt
import json

import pytest

from command.usage import UsageError
from sql.units.reference_list import fetch, read_file, rows_of, units_of

NOW = dt.datetime(2026, 5, 6, tzinfo=dt.UTC)
UNIT = {"nationalGridBmUnit": "A-1", "elexonBmUnit": "T_A-1"}


def row(**fields):
    (made,) = rows_of([UNIT | fields], NOW)
    return made


@pytest.mark.parametrize("body", [[UNIT], {"data": [UNIT], "metadata": {}}])
def test_a_list_is_an_array_or_the_data_of_an_answer(body):
    assert units_of(json.dumps(body).encode()) == [UNIT]


def test_entries_without_a_name_are_left_out():
    nameless = {"nationalGridBmUnit": None, "elexonBmUnit": " "}
    assert units_of(json.dumps([UNIT, nameless]).encode()) == [UNIT]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<html>", "the list of units is not JSON: "),
        (b'{"units": []}', "the list of units is not a JSON array of objects"),
        (b'["A-1"]', "the list of units is not a JSON array of objects"),
        (b"[]", "the list of units names no unit: "),
        (b'[{"fuelType": "WIND"}]', "the list of units names no unit: "),
    ],
)
def test_what_is_not_such_a_list_is_refused(body, text):
    with pytest.raises(UsageError, match=text):
        units_of(body)


def test_a_row_has_the_fields_and_the_time_of_loading():
    assert row() == UNIT | {"loaded_utc": "2026-05-06T00:00:00+00:00"}


def test_texts_lose_spaces_and_empty_ones_are_null():
    made = row(fuelType=" WIND ", leadPartyName="", eic=" ")
    assert made.keys() == {*UNIT, "fuelType", "loaded_utc"}
    assert made["fuelType"] == "WIND"


def test_what_does_not_fit_its_column_is_kept_in_extra():
    made = row(generationCapacity="n/a", demandCapacity="nan", fpnFlag="Y", isNew=1)
    assert json.loads(made["extra"]) == {
        "generationCapacity": "n/a",
        "demandCapacity": "nan",
        "fpnFlag": "Y",
        "isNew": 1,
    }


@pytest.mark.parametrize(("value", "number"), [("15.400", 15.4), (-2, -2.0), ("0", 0)])
def test_capacities_are_numbers(value, number):
    assert row(generationCapacity=value)["generationCapacity"] == number


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"--file: .*none\.json cannot be read: No"):
        read_file(tmp_path / "none.json")


def test_an_address_is_one_of_http():
    with pytest.raises(UsageError, match="--url: 'file:///etc' is not an address"):
        fetch("file:///etc")


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(ConnectionError, match=r"http://127\.0\.0\.1:1/: "):
        fetch("http://127.0.0.1:1/")
