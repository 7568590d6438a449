"""A market view, as the modules of this room describe it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from command.tables_path import TablesPath
from pipeline.registry import Column, Registry
from sql.templates import fill
from sql.views import historic
from sql.views.latest import latest_within
from sql.views.view import Function, View

Histories = Mapping[str, Sequence[historic.Mapping]]


@dataclass(frozen=True, slots=True)
class MarketView:
    """A view, or with arguments a table function, as its subject describes it.

    Attributes:
        name: Its name, `gb_...`.
        description: What a row is.
        columns: Its columns, in order; a function has those of its query.
        template: The file in `sql/market/`; its variable `path` says where the tables
            are, `latest(name, within)` is the SQL of `latest_within`.
        values: Its other variables, for the datasets that have a table.
        needs: The datasets without which it is not made.
        arguments: The arguments of a function with their types; empty for a view.
        chosen: The datasets of which it asks for `latest`.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    template: str
    values: Callable[[Registry], Mapping[str, Any]]
    needs: tuple[str, ...] = ()
    arguments: str = ""
    chosen: tuple[str, ...] = ()

    def query(
        self, registry: Registry, path: TablesPath, histories: Histories | None = None
    ) -> str:
        """Its SELECT.

        Args:
            registry: The datasets that have a table.
            path: Where the tables are.
            histories: The mapped historic tables of those that are `chosen`.
        """

        def latest(name: str, within: str) -> str:
            found = (histories or {}).get(name, ())
            return latest_within(registry[name], path, found, within).strip()

        values = self.values(registry)
        return fill(f"market/{self.template}", path=path, latest=latest, **values)

    def view(self, registry: Registry, path: TablesPath) -> View:
        """The view; it has no arguments."""
        query = self.query(registry, path)
        return View(self.name, self.columns, query, self.description)

    def function(
        self, registry: Registry, path: TablesPath, histories: Histories | None = None
    ) -> Function:
        """The table function."""
        query = self.query(registry, path, histories)
        return Function(self.name, self.arguments, query, self.description)


def text(name: str, description: str) -> Column:
    """A STRING column."""
    return Column(name, "STRING", description=description)


def figure(name: str, unit: str, description: str) -> Column:
    """A FLOAT64 column."""
    return Column(name, "FLOAT64", unit=unit, description=description)


def megawatts(name: str, description: str) -> Column:
    """A FLOAT64 column in MW."""
    return figure(name, "MW", description)


def instant(name: str, description: str) -> Column:
    """A TIMESTAMP column."""
    return Column(name, "TIMESTAMP", description=description)


def day(name: str, description: str) -> Column:
    """A DATE column."""
    return Column(name, "DATE", description=description)
