"""The pages: which tiles stand where, and what a viewer can choose there."""

from dataclasses import dataclass

from dashboard.tile import Tile
from dashboard.tiles import (
    acceptances,
    balancing,
    bridge,
    compare,
    completeness,
    data,
    demand,
    feed,
    frequency,
    generation,
    held,
    interconnectors,
    market_index,
    origins,
    outages,
    position,
    price,
    quality,
    wind,
)


@dataclass(frozen=True, slots=True)
class Page:
    """A page.

    Attributes:
        name: In its address.
        title: In the navigation.
        about: A sentence on top.
        tiles: In their order.
        fields: The fields of the selection that a viewer can set (`selection.py`).
        empty: Those of them that mean nothing special while they are empty; the others
            then show what they stand for, such as today.
    """

    name: str
    title: str
    about: str
    tiles: tuple[Tile, ...]
    fields: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()


NOW = Page(
    "now",
    "Now",
    "What the market does at this moment.",
    (
        generation.GENERATION,
        interconnectors.INTERCONNECTORS,
        frequency.FREQUENCY,
        demand.DEMAND,
        wind.WIND,
        price.SYSTEM_PRICE,
        market_index.MARKET_INDEX,
        acceptances.ACCEPTANCES,
        outages.OUTAGES,
    ),
    ("at",),
)

BALANCING = Page(
    "balancing",
    "Balancing",
    "What the system operator accepted in a day, and what it is paid.",
    (
        balancing.UNITS,
        position.POSITION,
        balancing.PUBLISHED_LATER,
    ),
    ("day", "unit", "batteries"),
)

COMPARE = Page(
    "compare",
    "Compare",
    "Two days or half-hours side by side.",
    (compare.FIGURES, compare.COURSE),
    compare.FIELDS,
)

HEALTH = Page(
    "health",
    "Feed health",
    "Whether the feed is whole, fresh and read.",
    (
        bridge.BRIDGE,
        feed.FRESHNESS,
        origins.ORIGINS,
        feed.TRAFFIC,
        feed.LAGS,
        completeness.COMPLETENESS,
        completeness.HALF_HOURS,
        held.DEAD_LETTERS,
        held.UNKNOWN,
        quality.QUALITY,
    ),
    ("dataset",),
)

DATA = Page(
    "data",
    "Data",
    "Any dataset: what its columns mean, its rows, and the SQL behind them.",
    (data.ROWS, data.COLUMNS),
    ("dataset", "day", "unit"),
    empty=("day",),
)

PAGES = {page.name: page for page in (NOW, BALANCING, COMPARE, HEALTH, DATA)}
TILES = {tile.name: tile for page in PAGES.values() for tile in page.tiles}

# What a report of a day shows: what needs no further choice.
REPORTED = (*NOW.tiles, balancing.UNITS, balancing.PUBLISHED_LATER)
