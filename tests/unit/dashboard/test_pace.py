"""How often tiles ask, where a query costs something and where it does not."""

import pytest

from dashboard.pages import HEALTH, TILES
from dashboard.tiles.quality import QUALITY


def test_on_this_machine_a_tile_asks_as_often_as_it_says():
    assert QUALITY.paced(is_local=True) is QUALITY


def test_in_a_project_a_tile_that_reads_all_tables_asks_once_an_hour():
    assert QUALITY.paced(is_local=False).every_seconds == 3_600


@pytest.mark.parametrize(
    "tile", [one for one in HEALTH.tiles if one.ask], ids=lambda tile: tile.name
)
def test_a_tile_of_several_statements_asks_seldom_in_a_project(tile):
    reads_tables = tile.name != "bridge"
    assert tile.paced(is_local=False).every_seconds >= 600 * reads_tables


def test_no_two_tiles_have_one_name():
    names = [tile.name for tile in TILES.values()]
    assert len(names) == len(set(names))
