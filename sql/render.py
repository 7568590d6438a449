"""`python -m sql render`: all SQL of the product as files, to read and to review."""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

from command.tables_path import TablesPath
from command.usage import UsageError
from pipeline.registry import Registry, load_registry
from sql import tables
from sql.connection import add_path_options, path_of
from sql.views.all_views import all_functions, all_views
from sql.views.held import held_view
from sql.views.historic import declared_mappings
from sql.views.view import create_function_statement, create_statement

# The names that all tables and views have.
_OURS = ("bmrs_*.sql", "iris_*.sql")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add_path_options(parser, project_required=False)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/sql"),
        help="the folder (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Writes one file a table and one a view, in a folder for each kind."""
    for kind, files in statements(path_of(options)).items():
        folder: Path = options.output / kind
        try:
            _write(folder, files)
        except OSError as error:
            raise UsageError(f"{folder}: {error.strerror}") from error
        print(f"{len(files)} {kind} in {folder}/")
    return 0


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Replaces the files of an earlier run; other files in the folder stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in _OURS:
        for old in folder.glob(pattern):
            old.unlink()
    for name, statement in files.items():
        (folder / f"{name}.sql").write_text(statement, encoding="utf-8")


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
    for function in all_functions(registry, path):
        yield function.name, create_function_statement(function, path)
