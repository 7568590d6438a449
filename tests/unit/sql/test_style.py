"""SQL as a reader of BigQuery's dialect expects it, by sqlfluff."""

import datetime as dt
import tomllib
from pathlib import Path

import pytest
import sqlfluff

from command.tables_path import TablesPath
from pipeline.registry import Registry, load_registry
from sql import tables
from sql.check.around import Around
from sql.check.completeness import Owed
from sql.check.duplicates import compared
from sql.check.expectations import grid_of
from sql.compact.table_layout import Days, Layout
from sql.market.catalogue import market_functions, market_views
from sql.refresh.resolution import Resolution
from sql.templates import fill
from sql.views.held import NAMELESS, held_query, held_view
from sql.views.historic import (
    declared_mappings,
    declared_tables,
    mapping,
    time_columns,
)
from sql.views.latest import latest_between, latest_view
from sql.views.local_times import Reading
from sql.views.resolved import resolved_between, resolved_view
from sql.views.unified import unified_view
from sql.views.view import create_function_statement, create_statement

CONFIG = Path(__file__).parents[3] / "pyproject.toml"
EXCLUDED = tomllib.loads(CONFIG.read_text())["tool"]["sqlfluff"]["core"][
    "exclude_rules"
].split(",")
PATH = TablesPath("project", "dataset")
REGISTRY = load_registry()
# An instant, a half-hour and a day; with series and without.
SOME = [REGISTRY[name] for name in ("FREQ", "MID", "TEMP", "FUELINST")]
DAY = dt.date(2026, 5, 6)
OF_MESSAGES = [REGISTRY[name] for name in ("FREQ", "PN")]
OWED = [Owed(each, grid_of(each), [DAY], each.table) for each in SOME]
AROUND = [Around(REGISTRY[name], [DAY], f"{name}_unified") for name in ("PN", "BOD")]
LAYOUTS = [
    Layout(
        "project.dataset.bmrs_freq",
        ("dataset", "measurementTime", "frequency", "_ingested_utc"),
        ("dataset", "measurementTime", "frequency"),
        "measurementTime",
        kind,
        True,
        record_id,
        "_ingested_utc",
        (),
    )
    for kind in ("DATE", "DATETIME", "TIMESTAMP", "STRING")
    for record_id in (None, "record_id")
]


def local_view(dataset, reading):
    """A view over history whose times may not be UTC."""
    tables = list(declared_tables(dataset))
    readings = {column.name: reading for column in time_columns(dataset, tables[0])}
    mappings = [mapping(dataset, table, readings) for table in tables]
    return unified_view(dataset, PATH, mappings)


def view_statements():
    names = ("BOALF", "BOAV", "FREQ", "MID", "MELS", "REMIT", "OCNMFD", "ABUC")
    for name in (*names, "DISBSAD", "NDF", "WINDFOR"):
        dataset = REGISTRY[name]
        histories = declared_mappings(dataset)
        view = unified_view(dataset, PATH, histories)
        yield view.name, create_statement(view, PATH)
        alone = unified_view(dataset, PATH, ())
        yield f"{view.name} alone", create_statement(alone, PATH)
        view = latest_view(dataset, PATH, histories)
        yield view.name, create_statement(view, PATH)
    for reading in (Reading.LOCAL, Reading.DOUBTFUL):
        view = local_view(REGISTRY["BOALF"], reading)
        yield f"{view.name} {reading}", create_statement(view, PATH)
        alone = latest_view(dataset, PATH)
        yield f"{view.name} alone", create_statement(alone, PATH)
    for histories in ((), declared_mappings(REGISTRY["MELS"])):
        named = "with history" if histories else "alone"
        view = resolved_view(REGISTRY["MELS"], PATH, histories)
        yield f"{view.name} {named}", create_statement(view, PATH)
        function = resolved_between(REGISTRY["MELS"], PATH, histories)
        yield f"{function.name} {named}", create_function_statement(function, PATH)
    for name in ("WINDFOR", "MDP", "REMIT"):
        function = latest_between(REGISTRY[name], PATH)
        yield function.name, create_function_statement(function, PATH)
    for members in (SOME, OF_MESSAGES):
        view = held_view(Registry(members), PATH)
        names = ", ".join(each.name for each in members)
        yield f"{view.name} of {names}", create_statement(view, PATH)
    for view in market_views(REGISTRY, PATH):
        yield view.name, create_statement(view, PATH)
    for function in market_functions(REGISTRY, PATH):
        yield function.name, create_function_statement(function, PATH)


def history_statements():
    for name in ("FREQ", "BOALF"):
        (table,) = declared_tables(REGISTRY[name])
        for percent in (None, 0.5):
            yield (
                f"history_times {name} {percent}",
                fill(
                    "views/history_times.sql",
                    table="project.dataset.table",
                    columns=time_columns(REGISTRY[name], table),
                    percent=percent,
                    filter="`a` >= 1" if percent else None,
                ),
            )


def table_statements():
    for table in (
        tables.dataset_table(REGISTRY["REMIT"]),
        tables.LEDGER,
        tables.REFERENCE_UNITS,
    ):
        yield table.name, tables.create_statement(table, PATH)


def quality_statements():
    for name in ("duplicates", "contradictions"):
        datasets = (*SOME, REGISTRY["BOAV"], *OF_MESSAGES)
        keyed = [compared(each) for each in datasets]
        yield name, fill(f"check/{name}.sql", path=PATH, compared=keyed)
    for name in ("freshness", "row_counts"):
        yield name, fill(f"check/{name}.sql", path=PATH, datasets=SOME)
    for name in ("completeness", "rows_before"):
        yield name, fill(f"check/{name}.sql", path=PATH, owed=OWED)
    yield "around", fill("check/around.sql", path=PATH, owed=AROUND, named=3)
    yield "rows_before around", fill("check/rows_before.sql", path=PATH, owed=AROUND)
    limits = {"allowed_mwh": 0.1, "allowed_gbp": 10, "allowed_share": 0.05}
    yield "balancing", fill("check/balancing.sql", path=PATH, **limits)
    yield "ledger", fill("check/ledger.sql", path=PATH, table="t")
    datasets = fill("check/held_datasets.sql", path=PATH, **NAMELESS)
    yield "held_datasets", datasets
    held = held_query(REGISTRY, PATH, SOME)
    yield "held", fill("check/held.sql", path=PATH, held=held)


def refresh_statements():
    for histories in ((), declared_mappings(REGISTRY["MELS"])):
        named = "with history" if histories else "alone"
        resolution = Resolution.of(REGISTRY["MELS"], PATH, histories)
        yield f"touched {named}", resolution.touched
        yield f"merge {named}", resolution.merge


def maintenance_statements():
    days = Days("2026-05-01", "2026-05-06", undated=True)
    for layout in LAYOUTS:
        named = f"{layout.day_kind} {layout.record_id}"
        count = fill("compact/count.sql", layout=layout, days=days)
        yield f"count {named}", count
        one = fill(
            "compact/deduplicate.sql", layout=layout, days=Days.one("2026-05-06")
        )
        yield f"deduplicate {named}", one
        partition = fill("compact/partition.sql", layout=layout)
        yield f"partition {named}", partition
    fields = fill("drift/unknown_fields.sql", path=PATH, datasets=SOME)
    yield "unknown_fields", fields
    yield "unmapped_messages", fill("drift/unknown_datasets.sql", path=PATH)


STATEMENTS = {
    **dict(table_statements()),
    **dict(view_statements()),
    **dict(history_statements()),
    **dict(quality_statements()),
    **dict(maintenance_statements()),
    **dict(refresh_statements()),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_has_the_style_of_the_house(name):
    # It would put every condition of a MERGE on the left margin.
    without = ["LT02"] if name.startswith(("deduplicate", "merge")) else []
    found = sqlfluff.lint(
        STATEMENTS[name], config_path=str(CONFIG), exclude_rules=[*EXCLUDED, *without]
    )
    assert [
        f"{each['start_line_no']}: {each['code']} {each['description']}"
        for each in found
    ] == []
