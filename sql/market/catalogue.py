"""All market views and table functions, in the order in which they can be made."""

from collections.abc import Iterator

from command.tables_path import TablesPath
from pipeline.registry import Registry
from sql.market import (
    balancing,
    capacity,
    demand,
    frequency,
    generation,
    outages,
    position,
    price,
    units,
    volumes,
    wind,
)
from sql.market.market_view import Histories
from sql.views.view import Function, View

# A view comes after those that it reads.
MARKET = (
    *units.MARKET,
    *outages.MARKET,
    *capacity.MARKET,
    *volumes.MARKET,
    *balancing.MARKET,
    *position.MARKET,
    *generation.MARKET,
    *demand.MARKET,
    *wind.MARKET,
    *price.MARKET,
    *frequency.MARKET,
)


def market_views(registry: Registry, path: TablesPath) -> Iterator[View]:
    """The market views whose datasets are all there.

    Args:
        registry: The datasets that have a table.
        path: Where the tables are.
    """
    for each in MARKET:
        if not each.arguments and set(each.needs) <= set(registry):
            yield each.view(registry, path)


def market_functions(
    registry: Registry, path: TablesPath, histories: Histories | None = None
) -> Iterator[Function]:
    """The table functions whose datasets are all there.

    Args:
        registry: The datasets that have a table.
        path: Where the tables are.
        histories: The mapped historic tables, by the name of the dataset. Without those
            of a dataset, a function that needs to know them is left out; None if there
            are none.
    """
    for each in MARKET:
        known = histories is None or set(each.chosen) <= set(histories)
        if each.arguments and set(each.needs) <= set(registry) and known:
            yield each.function(registry, path, histories)
