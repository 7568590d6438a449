"""The market views: what they are made of."""

import re

import pytest

from command.tables_path import TablesPath
from pipeline.registry import Registry, load_registry
from sql.market.catalogue import MARKET, market_functions, market_views
from sql.market.units import sources
from sql.tables import all_tables
from sql.views.all_views import all_views

REGISTRY = load_registry()
PATH = TablesPath("p", "d")
VIEWS = list(market_views(REGISTRY, PATH))
FUNCTIONS = list(market_functions(REGISTRY, PATH))
each = pytest.mark.parametrize(
    "made", [*VIEWS, *FUNCTIONS], ids=lambda one: str(one.name)
)


def test_the_names_are_those_of_the_catalogue():
    assert [view.name for view in VIEWS] == [
        *("gb_units", "gb_outages", "gb_outages_now", "gb_installed_capacity"),
    ]
    assert [function.name for function in FUNCTIONS] == [
        *("gb_units_between", "gb_outages_at", "gb_installed_capacity_at"),
    ]


@each
def test_a_view_reads_what_is_made_before_it(made):
    there = {table.name for table in all_tables(REGISTRY)}
    there |= {view.name for view in all_views(REGISTRY, PATH, {})}
    for view in VIEWS:
        if view.name == made.name:
            break
        there.add(view.name)
    assert set(re.findall(r"`p\.d\.(\w+)`", made.query)) <= there


@pytest.mark.parametrize("view", MARKET, ids=lambda one: str(one.name))
def test_a_view_has_the_columns_of_its_query(view):
    """BigQuery pairs them by position."""
    _, _, select = view.query(REGISTRY, PATH).rpartition("\nSELECT\n")
    listed, _, _ = select.partition("\nFROM ")
    # The commas of the list are at the ends of lines.
    names = [re.split(r"[ .]", item)[-1] for item in listed.split(",\n")]
    assert names == [column.name for column in view.columns]
    assert all(column.documentation for column in view.columns)
    assert view.description.endswith(".")


def test_a_capacity_has_its_unit():
    for view in VIEWS:
        for column in view.columns:
            assert (column.unit == "MW") == column.name.lower().endswith("capacity")


def test_a_view_is_made_only_where_its_datasets_are():
    some = Registry([REGISTRY["PN"], REGISTRY["IGCPU"]])
    names = [view.name for view in market_views(some, PATH)]
    assert names == ["gb_units", "gb_installed_capacity"]


def test_every_dataset_that_names_a_unit_is_a_source_or_beside_pn():
    named = {source.dataset.name for source in sources(REGISTRY)}
    with_names = {
        dataset.name
        for dataset in REGISTRY.values()
        if any(column.name == "bmUnit" for column in dataset.columns)
    }
    assert named == with_names - {"BOD", "QPN"} | {"REMIT"}
