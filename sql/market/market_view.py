"""A market view, as the modules of this room describe it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from command.tables_path import TablesPath
from pipeline.registry import Column, Registry
from sql.templates import fill
from sql.views.view import Function, View


@dataclass(frozen=True, slots=True)
class MarketView:
    """A view, or with arguments a table function, as its subject describes it.

    Attributes:
        name: Its name, `gb_...`.
        description: What a row is.
        columns: Its columns, in order; a function has those of its query.
        template: The file in `sql/market/`; its variable `path` says where the tables
            are.
        values: Its other variables, for the datasets that have a table.
        needs: The datasets without which it is not made.
        arguments: The arguments of a function with their types; empty for a view.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    template: str
    values: Callable[[Registry], Mapping[str, Any]]
    needs: tuple[str, ...] = ()
    arguments: str = ""

    def query(self, registry: Registry, path: TablesPath) -> str:
        """Its SELECT."""
        return fill(f"market/{self.template}", path=path, **self.values(registry))

    def view(self, registry: Registry, path: TablesPath) -> View:
        """The view; it has no arguments."""
        query = self.query(registry, path)
        return View(self.name, self.columns, query, self.description)

    def function(self, registry: Registry, path: TablesPath) -> Function:
        """The table function."""
        query = self.query(registry, path)
        return Function(self.name, self.arguments, query, self.description)


def text(name: str, description: str) -> Column:
    """A STRING column."""
    return Column(name, "STRING", description=description)


def megawatts(name: str, description: str) -> Column:
    """A FLOAT64 column in MW."""
    return Column(name, "FLOAT64", unit="MW", description=description)


def instant(name: str, description: str) -> Column:
    """A TIMESTAMP column."""
    return Column(name, "TIMESTAMP", description=description)


def day(name: str, description: str) -> Column:
    """A DATE column."""
    return Column(name, "DATE", description=description)
