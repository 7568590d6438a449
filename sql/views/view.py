"""A view or a table function, and the DDL that creates it."""

import hashlib
from dataclasses import dataclass
from textwrap import indent

from command.tables_path import TablesPath
from pipeline.registry import Column
from sql.templates import literal, quoted

# The label shows whether a view is up to date: BigQuery returns the text of a query in
# a form of its own.
LABEL = "definition"


@dataclass(frozen=True, slots=True)
class View:
    """A view as it should be.

    Attributes:
        name: Its name, without project and dataset.
        columns: Its columns, in order.
        query: Its SELECT.
        description: What a row is.
        labels: What else its labels hold, in order.
    """

    name: str
    columns: tuple[Column, ...]
    query: str
    description: str
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def fingerprint(self) -> str:
        """Equal for equal views; the label of a view holds it."""
        return _fingerprint(self.columns, self.query, self.description, *self.labels)


@dataclass(frozen=True, slots=True)
class Function:
    """A table function as it should be.

    Attributes:
        name: Its name, without project and dataset.
        arguments: Its arguments with their types.
        query: Its SELECT.
        description: What a row is.
    """

    name: str
    arguments: str
    query: str
    description: str

    @property
    def documentation(self) -> str:
        """The description with the fingerprint, because functions have no labels."""
        mark = _fingerprint(self.arguments, self.query, self.description)
        return f"{self.description} Definition {mark}."


def _fingerprint(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def create_statement(view: View, path: TablesPath) -> str:
    """The DDL that creates or replaces a view.

    Args:
        path: Where the tables are.
    """
    columns = ",\n".join(
        f"  {quoted(column.name)} OPTIONS (description = "
        f"{literal(column.documentation)})"
        for column in view.columns
    )
    labels = ", ".join(
        f"({literal(name)}, {literal(value)})"
        for name, value in ((LABEL, view.fingerprint), *view.labels)
    )
    return (
        f"CREATE OR REPLACE VIEW {quoted(f'{path}.{view.name}')} (\n{columns}\n)\n"
        f"OPTIONS (\n  description = {literal(view.description)},\n"
        f"  labels = [{labels}]\n"
        f")\nAS\n{view.query.strip()};\n"
    )


def create_function_statement(function: Function, path: TablesPath) -> str:
    """The DDL that creates or replaces a table function.

    Args:
        path: Where the tables are.
    """
    return (
        f"CREATE OR REPLACE TABLE FUNCTION {quoted(f'{path}.{function.name}')} (\n"
        f"  {function.arguments}\n)\n"
        f"OPTIONS (description = {literal(function.documentation)})\n"
        f"AS (\n{indent(function.query.strip(), '  ')}\n);\n"
    )
