"""The query of what is asked for: its columns, its partitions, its parameters."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pytest
from google.cloud.bigquery import SchemaField

from command.tables_path import TablesPath
from command.usage import UsageError
from gb_iris.axis import axis
from gb_iris.interval import interval
from gb_iris.relation import Relation
from gb_iris.statement import statement
from pipeline.registry import METADATA_COLUMNS, load_registry
from sql.schemas import schema_field

PATH = TablesPath("my-project", "tables")
REGISTRY = load_registry()


def view(name):
    """The latest view of a dataset, as the registry describes it."""
    dataset = REGISTRY[name]
    fields = map(schema_field, dataset.columns + METADATA_COLUMNS)
    by_name = {field.name: field for field in fields}
    return Relation(f"{dataset.stem}_latest", PATH, by_name, dataset, None)


def query(source, start=None, end=None, where=None, time=None, columns=("dataset",)):
    asked = interval(start, end)
    return statement(source, axis(source, time), asked, columns, where or {})


def conditions(*arguments, **options):
    """The conditions, with the values of their parameters."""
    found = query(*arguments, **options)
    values = {
        f"@{each.name}": getattr(each, "value", None) or getattr(each, "values", None)
        for each in found.parameters
    }
    _, _, text = found.sql.partition("WHERE ")
    return text, values


def test_only_the_columns_are_read():
    found = query(view("FREQ"), columns=["measurementTime", "frequency"])
    assert found.sql == (
        "SELECT `measurementTime`, `frequency`\n"
        "FROM `my-project.tables.bmrs_freq_latest`"
    )


def test_a_day_is_a_settlement_date():
    assert conditions(view("FUELINST"), "2026-05-06", "2026-05-08") == (
        "`settlementDate` >= @start AND `settlementDate` < @end",
        {"@start": dt.date(2026, 5, 6), "@end": dt.date(2026, 5, 8)},
    )


def test_a_day_of_rows_without_one_begins_at_midnight_utc():
    assert conditions(view("FREQ"), "2026-05-06") == (
        "`measurementTime` >= @start",
        {"@start": dt.datetime(2026, 5, 6, tzinfo=dt.UTC)},
    )


def test_an_instant_also_names_the_settlement_dates_that_it_leaves():
    text, values = conditions(
        view("FUELINST"), "2026-05-06T22:30Z", "2026-05-07T22:30Z"
    )
    assert text == (
        "`startTime` >= @start AND `settlementDate` >= @start_day"
        " AND `startTime` < @end AND `settlementDate` <= @end_day"
    )
    assert values["@start_day"] == dt.date(2026, 5, 6)
    assert values["@end_day"] == dt.date(2026, 5, 7)


def test_the_end_of_a_days_last_period_is_of_that_day():
    # Midnight in London.
    _, values = conditions(view("PN"), "2026-05-06T23:00Z", time="timeTo")
    assert values["@start_day"] == dt.date(2026, 5, 6)


def test_a_time_that_says_nothing_of_the_day_leaves_no_partition_out():
    text, _ = conditions(view("NDF"), "2026-05-06T12:00Z", time="publishTime")
    assert text == "`publishTime` >= @start"


def test_a_day_of_a_named_time_begins_at_midnight_utc():
    assert conditions(view("NDF"), end="2026-05-06", time="publishTime") == (
        "`publishTime` < @end",
        {"@end": dt.datetime(2026, 5, 6, tzinfo=dt.UTC)},
    )


def test_a_date_column_can_be_named():
    assert conditions(view("NDFD"), "2026-05-06", time="forecastDate") == (
        "`forecastDate` >= @start",
        {"@start": dt.date(2026, 5, 6)},
    )


def test_rows_that_have_a_day_and_no_time_need_days():
    with pytest.raises(
        UsageError, match=r"bmrs_disbsad_latest have a day.*give a date"
    ):
        query(view("DISBSAD"), "2026-05-06T12:00Z")


@pytest.mark.parametrize("name", REGISTRY)
def test_days_name_partitions_in_every_dataset(name):
    text, _ = conditions(view(name), "2026-05-06", "2026-05-07")
    partition = REGISTRY[name].partition_column
    assert text == f"`{partition}` >= @start AND `{partition}` < @end"


def test_what_is_not_a_time_cannot_bound():
    with pytest.raises(UsageError, match=r"fuelType is not a time: .*publishTime"):
        query(view("FUELINST"), "2026-05-06", time="fuelType")


def test_a_mistyped_time_is_named_with_a_near_one():
    with pytest.raises(UsageError, match="'publisTime': did you mean publishTime"):
        query(view("FUELINST"), "2026-05-06", time="publisTime")


def test_a_view_without_a_usual_time_says_which_times_it_has():
    fields = {
        name: SchemaField(name, kind)
        for name, kind in {"unit": "STRING", "eventStartTime": "TIMESTAMP"}.items()
    }
    outages = Relation("gb_outages", PATH, fields, None, None)
    with pytest.raises(UsageError, match=r"say with time= .*: eventStartTime"):
        query(outages, "2026-05-06")


def test_a_value_is_a_parameter_and_never_sql():
    text, values = conditions(view("FUELINST"), where={"fuelType": "' OR TRUE --"})
    assert text == "`fuelType` = @where0"
    assert values == {"@where0": "' OR TRUE --"}


def test_one_of_several_values_fits():
    text, values = conditions(view("FUELINST"), where={"fuelType": ("WIND", "CCGT")})
    assert text == "`fuelType` IN UNNEST(@where0)"
    assert values == {"@where0": ["WIND", "CCGT"]}


def test_none_means_null():
    text, _ = conditions(view("PN"), where={"bmUnit": None})
    assert text == "`bmUnit` IS NULL"
    text, _ = conditions(view("PN"), where={"bmUnit": ["T_A-1", None]})
    assert text == "(`bmUnit` IN UNNEST(@where0) OR `bmUnit` IS NULL)"


@pytest.mark.parametrize(
    ("column", "value", "found"),
    [
        ("settlementDate", "2026-05-06", dt.date(2026, 5, 6)),
        ("settlementPeriod", np.int64(7), 7),
        ("startTime", "2026-05-06T12:00Z", dt.datetime(2026, 5, 6, 12, tzinfo=dt.UTC)),
    ],
)
def test_a_value_gets_the_type_of_its_column(column, value, found):
    _, values = conditions(view("FUELINST"), where={column: value})
    assert values == {"@where0": found}
    assert type(values["@where0"]) is type(found)


def test_an_exact_decimal_stays_exact():
    fields = {"cost": SchemaField("cost", "NUMERIC")}
    own = Relation("gb_own", PATH, fields, None, None)
    _, values = conditions(own, where={"cost": "0.1"})
    assert values == {"@where0": Decimal("0.1")}


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("generation", "12", "generation is of type INT64, not '12'"),
        ("generation", True, "generation is of type INT64, not True"),
        ("fuelType", 3, "fuelType is of type STRING, not 3"),
        ("settlementDate", "2026-05-06T12:00Z", "settlementDate is of type DATE"),
        ("startTime", "2026-05-06", "startTime is of type TIMESTAMP"),
        ("startTime", "2026-05-06T12:00", "has no time zone"),
        ("fueltype", "WIND", "no column 'fueltype': did you mean fuelType"),
    ],
)
def test_a_value_that_does_not_suit_its_column_is_refused(column, value, message):
    with pytest.raises(UsageError, match=f"where: .*{message}"):
        query(view("FUELINST"), where={column: value})


def test_nested_columns_cannot_be_compared():
    with pytest.raises(UsageError, match="outageProfile is nested"):
        query(view("REMIT"), where={"outageProfile": "x"})


def test_sql_is_refused_as_a_condition():
    with pytest.raises(UsageError, match=r"not values by column.*make query"):
        query(view("FUELINST"), where="generation > 100")
