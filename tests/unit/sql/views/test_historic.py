"""How historic tables are mapped, and what a user learns about it."""

from dataclasses import replace

from pipeline.registry import Column, load_registry
from sql.views.historic import (
    FoundTable,
    declared_tables,
    is_load_column,
    mapping,
    names_of,
)

REGISTRY = load_registry()
# As it is; a field that `sql drift --accept` adds comes behind its columns.
FREQ = replace(REGISTRY["FREQ"], columns=REGISTRY["FREQ"].columns[:3])


def found(*columns: Column, name="bmrs_freq", partition="measurementTime"):
    return FoundTable(name, columns, partition)


def test_what_is_known_of_a_table_is_mapped_without_a_note():
    (table,) = declared_tables(REGISTRY["BOD"])
    assert mapping(REGISTRY["BOD"], table).notes == ()


def test_history_is_looked_for_under_all_its_names():
    assert names_of(REGISTRY["DISEBSP"]) == ["bmrs_costs", "bmrs_disebsp"]
    assert names_of(REGISTRY["OCNMFD"]) == ["bmrs_ocnmfd", "bmrs_surplus_margin"]
    assert names_of(REGISTRY["ABUC"]) == ["bmrs_abuc"]


def test_too_few_too_many_and_other_columns_are_noted():
    table = found(
        Column("MEASUREMENTTIME", "DATETIME"),
        Column("frequency", "BOOL"),
        Column("station", "STRING"),
        Column("_ingested_utc", "STRING"),
        name="bmrs_freq",
        partition="MEASUREMENTTIME",
    )
    result = mapping(FREQ, table)
    assert result.notes == (
        "bmrs_freq.frequency is BOOL NULLABLE, which cannot be read as FLOAT64 "
        "NULLABLE: see extra",
        "bmrs_freq.station is not a column of FREQ: see extra",
    )
    assert result.expressions["measurementTime"] == "TIMESTAMP(`MEASUREMENTTIME`)"
    assert result.expressions["frequency"] == "CAST(NULL AS FLOAT64)"
    assert result.compared == {"measurementTime"}
    assert mapping(FREQ, found()).notes == (
        "bmrs_freq has no measurementTime, frequency: NULL for its rows",
        "bmrs_freq has no column for measurementTime: a query for one day does not "
        "find its rows, and rows that IRIS has, too, are shown twice",
    )


def test_a_table_that_cannot_be_pruned_is_noted():
    columns = (Column("measurementTime", "STRING"), Column("frequency", "FLOAT64"))
    note = (
        "bmrs_freq is not partitioned by measurementTime: a query for one day reads "
        "the whole table"
    )
    assert mapping(FREQ, found(*columns)).notes == (
        "bmrs_freq: values of measurementTime that do not fit are NULL: see extra",
        note,
    )
    other = (Column("measurementTime", "DATETIME"), *columns[1:])
    assert mapping(FREQ, found(*other, partition=None)).notes == (note,)
    assert mapping(FREQ, found(*other)).notes == ()


def test_one_old_column_fills_two_and_only_the_first_is_compared():
    columns = (
        Column("settlementPeriod", "INT64"),
        Column("settlementDate", "DATETIME"),
    )
    result = mapping(REGISTRY["BOALF"], FoundTable("bmrs_boalf", columns))
    assert result.expressions["settlementPeriodFrom"] == "`settlementPeriod`"
    assert result.expressions["settlementPeriodTo"] == "`settlementPeriod`"
    assert result.compared == {"settlementDate", "settlementPeriodFrom"}


def test_former_names_are_those_of_that_table_alone():
    columns = (Column("settlementPeriod", "INT64"),)
    result = mapping(REGISTRY["BOALF"], FoundTable("another", columns))
    assert result.expressions["settlementPeriodFrom"] == "CAST(NULL AS INT64)"


def test_notes_of_a_load_are_recognised_in_its_data():
    assert is_load_column("_hash_key")
    assert is_load_column("_ingested_utc")
    assert not is_load_column("_direction")
    assert not is_load_column("sourceFileDateTime")
