"""A view or a table function: what it is, and the DDL that makes it."""

import hashlib
from dataclasses import dataclass
from textwrap import indent

from command.tables_path import TablesPath
from pipeline.registry import Column
from sql.templates import literal, quoted

# Whether a view is up to date is told by its label, since BigQuery gives the text of a
# query back in a form of its own.
LABEL = "definition"


@dataclass(frozen=True, slots=True)
class View:
    """What a view is to be.

    Attributes:
        name: Its name, without project and dataset.
        columns: Its columns, in order.
        query: The SELECT that it stands for.
        description: What a row is.
    """

    name: str
    columns: tuple[Column, ...]
    query: str
    description: str

    @property
    def fingerprint(self) -> str:
        """The same for the same view: its label tells whether it is up to date."""
        return _fingerprint(self.columns, self.query, self.description)


@dataclass(frozen=True, slots=True)
class Function:
    """What a table function is to be.

    Attributes:
        name: Its name, without project and dataset.
        arguments: Its arguments with their types.
        query: The SELECT that it stands for.
        description: What a row is.
    """

    name: str
    arguments: str
    query: str
    description: str

    @property
    def documentation(self) -> str:
        """The description as it stands in BigQuery; functions have no labels."""
        mark = _fingerprint(self.arguments, self.query, self.description)
        return f"{self.description} Definition {mark}."


def _fingerprint(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def create_statement(view: View, path: TablesPath) -> str:
    """The DDL that makes a view, or makes it anew.

    Args:
        view: What it is to be.
        path: Where the tables are.
    """
    columns = ",\n".join(
        f"  {quoted(column.name)} OPTIONS (description = "
        f"{literal(column.documentation)})"
        for column in view.columns
    )
    return (
        f"CREATE OR REPLACE VIEW {quoted(f'{path}.{view.name}')} (\n{columns}\n)\n"
        f"OPTIONS (\n  description = {literal(view.description)},\n"
        f'  labels = [("{LABEL}", "{view.fingerprint}")]\n'
        f")\nAS\n{view.query.strip()};\n"
    )


def create_function_statement(function: Function, path: TablesPath) -> str:
    """The DDL that makes a table function, or makes it anew.

    Args:
        function: What it is to be.
        path: Where the tables are.
    """
    return (
        f"CREATE OR REPLACE TABLE FUNCTION {quoted(f'{path}.{function.name}')} (\n"
        f"  {function.arguments}\n)\n"
        f"OPTIONS (description = {literal(function.documentation)})\n"
        f"AS (\n{indent(function.query.strip(), '  ')}\n);\n"
    )
