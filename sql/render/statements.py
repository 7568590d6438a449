"""The statements that create every table, view and table function."""

from collections.abc import Iterator

from command.tables_path import TablesPath
from pipeline.registry import Registry, load_registry
from sql import tables
from sql.market.catalogue import market_functions, market_views
from sql.views.all_views import all_functions, all_views
from sql.views.held import held_view
from sql.views.historic import declared_mappings
from sql.views.view import create_function_statement, create_statement


def statements(path: TablesPath) -> dict[str, dict[str, str]]:
    """All SQL of the product, by kind (`tables`, `views`) and name.

    Args:
        path: Where the tables are.
    """
    registry = load_registry()
    return {
        "tables": dict(_tables(registry, path)),
        "views": dict(_views(registry, path)),
    }


def _tables(registry: Registry, path: TablesPath) -> Iterator[tuple[str, str]]:
    for table in tables.all_tables(registry):
        yield table.name, tables.create_statement(table, path)


def _views(registry: Registry, path: TablesPath) -> Iterator[tuple[str, str]]:
    """The views over the historic tables that the registry declares."""
    histories = {each.name: declared_mappings(each) for each in registry.values()}
    for view in all_views(registry, path, histories):
        yield view.name, create_statement(view, path)
    held = held_view(registry, path)
    yield held.name, create_statement(held, path)
    for view in market_views(registry, path):
        yield view.name, create_statement(view, path)
    functions = (
        *all_functions(registry, path, histories),
        *market_functions(registry, path, histories),
    )
    for function in functions:
        yield function.name, create_function_statement(function, path)
