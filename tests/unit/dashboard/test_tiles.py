"""Every tile: its SQL, its datasets and its charts."""

import datetime as dt

import pytest

from command.tables_path import TablesPath
from dashboard.pages import PAGES, TILES
from dashboard.selection import FIELDS, parse
from dashboard.tile import number
from dashboard.warehouse import FOLDER, Warehouse
from pipeline.registry import load_registry

NOW = dt.datetime(2026, 5, 6, 11, tzinfo=dt.UTC)


@pytest.mark.parametrize("tile", TILES.values(), ids=lambda tile: tile.name)
def test_a_tile_is_from_datasets_of_the_registry(tile):
    assert set(tile.datasets) <= set(load_registry())


@pytest.mark.parametrize(
    "tile", [tile for tile in TILES.values() if tile.sql], ids=lambda tile: tile.name
)
def test_the_sql_of_a_tile_uses_the_parameters_that_it_gets(tile):
    texts = {"unit": "PILLB-1"}
    parameters = tile.parameters(parse(texts, tile.takes), NOW)
    warehouse = Warehouse(None, TablesPath("p", "d"), is_local=True)
    sql = warehouse.fill(tile.sql)
    assert {name for name in parameters if f"@{name}" not in sql} == set()
    assert "`p.d." in sql


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_what_can_be_chosen_on_a_page_matters_to_a_tile_there(page):
    taken = {name for tile in page.tiles for name in tile.takes}
    assert set(page.fields) <= taken <= FIELDS.keys()


@pytest.mark.parametrize(
    "path", sorted(FOLDER.glob("*.sql")), ids=lambda path: path.name
)
def test_every_sql_file_is_used(path):
    files = [*FOLDER.glob("*.sql"), *FOLDER.parent.rglob("*.py")]
    assert any(f'"{path.name}"' in file.read_text() for file in files)


@pytest.mark.parametrize(
    ("value", "digits", "signed", "text"),
    [
        (1234.56, 1, False, "1,234.6"),
        (-0.4, 0, True, "0"),
        (-12, 0, True, "-12"),
        (12, 0, True, "+12"),
        (0.0, 2, False, "0.00"),
    ],
)
def test_numbers_are_as_a_reader_sees_them(value, digits, signed, text):
    assert number(value, digits, signed=signed) == text
