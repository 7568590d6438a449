"""The market views: what they are made of."""

import re

import pytest

from command.tables_path import TablesPath
from pipeline.registry import Registry, load_registry
from sql.market.catalogue import MARKET, market_functions, market_views
from sql.market.units import sources
from sql.tables import all_tables
from sql.views.all_views import all_functions, all_views

REGISTRY = load_registry()
PATH = TablesPath("p", "d")
VIEWS = list(market_views(REGISTRY, PATH))
FUNCTIONS = list(market_functions(REGISTRY, PATH))
UNITS = {None, "MW", "MWh", "GBP", "GBP/MWh", "Hz", "s", "share"}
each = pytest.mark.parametrize(
    "made", [*VIEWS, *FUNCTIONS], ids=lambda one: str(one.name)
)


def test_the_names_are_those_of_the_catalogue():
    assert [view.name for view in VIEWS] == [
        *("gb_units", "gb_outages", "gb_outages_now", "gb_outages_history"),
        "gb_installed_capacity",
        *("gb_acceptance_volumes", "gb_unit_balancing"),
        *("gb_generation", "gb_generation_half_hours", "gb_demand"),
        *("gb_price", "gb_frequency"),
    ]
    assert [function.name for function in FUNCTIONS] == [
        *("gb_units_between", "gb_outages_at", "gb_outages_known"),
        "gb_installed_capacity_at",
        *("gb_acceptance_volumes_between", "gb_unit_balancing_between"),
        *("gb_unit_position", "gb_generation_between"),
        *("gb_generation_half_hours_between", "gb_demand_between", "gb_wind"),
        *("gb_price_between", "gb_frequency_between", "gb_frequency_events"),
    ]


@each
def test_a_view_reads_what_is_made_before_it(made):
    there = {table.name for table in all_tables(REGISTRY)}
    there |= {view.name for view in all_views(REGISTRY, PATH, {})}
    there |= {function.name for function in all_functions(REGISTRY, PATH, {})}
    # Functions are made after all views.
    for before in (*VIEWS, *FUNCTIONS):
        if before.name == made.name:
            break
        there.add(before.name)
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


def test_a_figure_has_its_unit():
    for view in MARKET:
        for column in view.columns:
            assert column.unit or column.type != "FLOAT64"
            assert column.unit in UNITS
            if column.name.lower().endswith(("capacity", "generation")):
                assert column.unit == "MW"


def test_a_view_is_made_only_where_its_datasets_are():
    some = Registry([REGISTRY["PN"], REGISTRY["IGCPU"]])
    names = [view.name for view in market_views(some, PATH)]
    assert names == ["gb_units", "gb_installed_capacity"]


def test_a_function_over_history_is_left_as_it_is_where_history_is_not_known():
    """A part of the registry is applied: the tables of PN and BOD are not looked at."""
    names = {function.name for function in market_functions(REGISTRY, PATH, {"PN": []})}
    assert {function.name for function in FUNCTIONS} - names == {
        "gb_acceptance_volumes_between"
    }


def test_every_dataset_that_names_a_unit_is_a_source_or_beside_pn():
    named = {source.dataset.name for source in sources(REGISTRY)}
    with_names = {
        dataset.name
        for dataset in REGISTRY.values()
        if any(column.name == "bmUnit" for column in dataset.columns)
    }
    assert named == with_names - {"BOD", "QPN"} | {"REMIT"}
