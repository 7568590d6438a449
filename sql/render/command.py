"""`python -m sql render`: all SQL of the product as files, to read and to review."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from command.usage import UsageError
from sql.connection import add_path_options, path_of
from sql.render import examples
from sql.render.statements import statements

OUTPUT = Path("build/sql")
# The names that all tables and views have.
_OURS = ("bmrs_*.sql", "iris_*.sql", "gb_*.sql")


def configure(parser: argparse.ArgumentParser) -> None:
    add_path_options(parser, project_required=False)
    parser.add_argument(
        "--output",
        type=Path,
        help=f"the folder (default: {OUTPUT}, or sql/examples with --examples)",
    )
    parser.add_argument(
        "--examples",
        action="store_true",
        help="write one example of each kind of table and view instead",
    )


def run(options: argparse.Namespace) -> int:
    """Writes one file for each table and view, in a folder for each kind."""
    path = path_of(options)
    if options.examples:
        _write(options.output or examples.FOLDER, "examples", examples.examples(path))
        return 0
    for kind, files in statements(path).items():
        _write((options.output or OUTPUT) / kind, kind, files)
    return 0


def _write(folder: Path, kind: str, files: Mapping[str, str]) -> None:
    """Replaces the files of an earlier run; other files in the folder stay.

    Raises:
        UsageError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for pattern in _OURS:
            for old in folder.glob(pattern):
                old.unlink()
        for name, statement in files.items():
            (folder / f"{name}.sql").write_text(statement, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from error
    print(f"{len(files)} {kind} in {folder}/")
