"""All market views and table functions, in the order in which they can be made."""

from collections.abc import Iterator

from command.tables_path import TablesPath
from pipeline.registry import Registry
from sql.market import capacity, outages, units
from sql.views.view import Function, View

# A view comes after those that it reads.
MARKET = (*units.MARKET, *outages.MARKET, *capacity.MARKET)


def market_views(registry: Registry, path: TablesPath) -> Iterator[View]:
    """The market views whose datasets are all there.

    Args:
        registry: The datasets that have a table.
        path: Where the tables are.
    """
    for each in MARKET:
        if not each.arguments and set(each.needs) <= set(registry):
            yield each.view(registry, path)


def market_functions(registry: Registry, path: TablesPath) -> Iterator[Function]:
    """The table functions whose datasets are all there."""
    for each in MARKET:
        if each.arguments and set(each.needs) <= set(registry):
            yield each.function(registry, path)
