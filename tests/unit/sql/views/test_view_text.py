"""The text of the views: what they read, and what BigQuery can do with it."""

import re

import pytest

from command.tables_path import TablesPath
from pipeline.registry import METADATA_COLUMNS, Column, load_registry
from sql.views.all_views import all_functions, all_views
from sql.views.conversions import grouping
from sql.views.historic import declared_mappings
from sql.views.latest import latest_view, prunes
from sql.views.unified import unified_view
from sql.views.view import (
    Function,
    View,
    create_function_statement,
    create_statement,
)

REGISTRY = load_registry()
PATH = TablesPath("p", "d")
DECLARED = {each.name: declared_mappings(each) for each in REGISTRY.values()}
datasets = pytest.mark.parametrize("dataset", REGISTRY.values(), ids=lambda d: d.name)


def windows(query: str) -> list[str]:
    """The first expression of each PARTITION BY."""
    return re.findall(r"PARTITION BY\s+(`\w+`)", query)


def test_every_dataset_has_its_views_behind_those_that_they_read():
    names = [view.name for view in all_views(REGISTRY, PATH, DECLARED)]
    assert len(names) == len(set(names)) == 2 * len(REGISTRY) + 2
    for view in all_views(REGISTRY, PATH, DECLARED):
        for read in re.findall(r"`p\.d\.(\w+_unified)`", view.query):
            assert names.index(read) < names.index(view.name)
    functions = [function.name for function in all_functions(REGISTRY, PATH, {})]
    apart = [each for each in REGISTRY.values() if not prunes(each)]
    assert len(functions) == len(set(functions))
    assert set(functions) == {
        "bmrs_mels_resolved_between",
        "bmrs_mils_resolved_between",
        *(f"{each.stem}_latest_between" for each in apart),
    }


@datasets
def test_columns_are_the_same_with_history_and_without(dataset):
    alone = unified_view(dataset, PATH, ())
    both = unified_view(dataset, PATH, DECLARED[dataset.name])
    assert alone.columns == both.columns == dataset.columns + METADATA_COLUMNS
    assert alone.columns == latest_view(dataset, PATH).columns


@datasets
def test_a_filter_on_the_partition_column_goes_through_to_both_tables(dataset):
    """It is the window's bare first key, and each side keeps its order."""
    partition = dataset.partition_column
    for histories in ((), DECLARED[dataset.name]):
        view = unified_view(dataset, PATH, histories)
        found = windows(view.query)
        assert found == [f"`{partition}`"] * (2 if dataset.api_absent else 1)
        assert f"  `{partition}`,\n" in view.query
    for history in DECLARED[dataset.name]:
        if "whole table" not in " ".join(history.notes):
            assert history.expressions[partition] in (
                f"`{partition}`",
                f"DATE(`{partition}`)",
                f"TIMESTAMP(`{partition}`)",
            )


@datasets
def test_only_where_the_api_lacks_columns_its_rows_are_a_side(dataset):
    for histories in ((), DECLARED[dataset.name]):
        query = unified_view(dataset, PATH, histories).query
        assert ("given AS" in query) == bool(dataset.api_absent)
        keys = query.partition("given AS")[2]
        assert not [name for name in dataset.api_absent if f"`{name}`" in keys]
        assert query.count(f"`p.d.{dataset.table}`") == 1  # read once, paid once


def test_a_key_with_the_partition_column_prunes_the_latest_versions():
    query = latest_view(REGISTRY["DISEBSP"], PATH).query
    assert windows(query) == ["`settlementDate`"]
    assert "lie in one partition" in query
    assert "not part of the key" in latest_view(REGISTRY["WINDFOR"], PATH).query


def test_a_day_that_follows_from_the_key_prunes_the_latest_versions_too():
    query = latest_view(REGISTRY["FUELINST"], PATH).query
    assert windows(query) == ["`settlementDate`"]
    assert "lie in one partition" in query


@datasets
def test_windows_are_not_partitioned_by_what_bigquery_refuses(dataset):
    view = unified_view(dataset, PATH, DECLARED[dataset.name])
    for window in view.query.split("PARTITION BY")[1:]:
        keys = window.partition("ORDER BY")[0]
        assert keys.count("\n") > 1
        for column in dataset.columns:
            if column.type in ("FLOAT64", "RECORD"):
                assert not re.search(rf"^\s*`{column.name}`", keys, re.MULTILINE)


def test_groupings():
    assert grouping(Column("a", "STRING")) == "`a`"
    assert grouping(Column("a", "FLOAT64")) == "CAST(`a` AS STRING)"
    assert grouping(Column("a", "STRING", "REPEATED")) == "TO_JSON_STRING(`a`)"


def test_the_text_of_a_small_view_and_function():
    view = View("v", (Column("mw", "FLOAT64", unit="MW"),), "SELECT 1 AS mw\n", "One.")
    assert create_statement(view, PATH) == (
        "CREATE OR REPLACE VIEW `p.d.v` (\n"
        '  `mw` OPTIONS (description = " Unit: MW.")\n'
        ")\n"
        "OPTIONS (\n"
        '  description = "One.",\n'
        f'  labels = [("definition", "{view.fingerprint}")]\n'
        ")\n"
        "AS\n"
        "SELECT 1 AS mw;\n"
    )
    function = Function("f", "a INT64", "SELECT a", "One.")
    assert create_function_statement(function, PATH) == (
        "CREATE OR REPLACE TABLE FUNCTION `p.d.f` (\n"
        "  a INT64\n"
        ")\n"
        f'OPTIONS (description = "{function.documentation}")\n'
        "AS (\n  SELECT a\n);\n"
    )


def test_a_fingerprint_changes_with_whatever_makes_the_view():
    columns = (Column("a", "INT64"),)
    one = View("v", columns, "SELECT 1 AS a", "One.")
    others = [
        View("v", columns, "SELECT 2 AS a", "One."),
        View("v", columns, "SELECT 1 AS a", "Two."),
        View("v", (Column("a", "INT64", unit="MW"),), "SELECT 1 AS a", "One."),
    ]
    assert one.fingerprint not in {other.fingerprint for other in others}
    # A label of BigQuery takes lower-case letters, digits, - and _, 63 of them.
    assert re.fullmatch(r"[a-z0-9]{32}", one.fingerprint)
