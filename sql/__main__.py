"""`python -m sql`: renders the SQL of the product, and applies it to BigQuery."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import GoogleAuthError
from requests.exceptions import RequestException

from pipeline.inserts import connect
from pipeline.registry import RegistryError, load_registry
from pipeline.usage import OneLineParser
from sql.apply import Outcome, apply_tables
from sql.tables import all_tables, create_statement

_PROJECT = re.compile(r"[a-z][a-z0-9.:-]{0,98}[a-z0-9]\Z")
_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}\Z")


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; 2 for a user's mistake, 1 when BigQuery refuses."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except RegistryError as error:
        return _fail(str(error), 2)
    except GoogleAuthError as error:
        return _fail(
            f"no credentials for BigQuery ({error}): run "
            "`gcloud auth application-default login`",
            1,
        )
    except (GoogleAPICallError, RetryError, RequestException) as error:
        return _fail(f"BigQuery refused: {str(error).splitlines()[0]}", 1)


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m sql", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, purpose in (
        ("render", render, "write the SQL to a folder; needs no connection"),
        ("apply", apply, "make the tables in BigQuery, or add what they lack"),
    ):
        command = commands.add_parser(name, help=purpose, description=purpose)
        command.add_argument(
            "--project",
            required=run is apply,
            type=_project,
            default="gb-iris",
            help="the Google Cloud project",
        )
        command.add_argument(
            "--dataset",
            type=_dataset,
            default="uk_energy_prod",
            help="the BigQuery dataset (default: %(default)s)",
        )
        command.set_defaults(run=run)
        if run is render:
            command.add_argument(
                "--output",
                type=Path,
                default=Path("build/sql"),
                help="the folder (default: %(default)s)",
            )
        else:
            command.add_argument(
                "--location",
                default="EU",
                help="where a new dataset lives (default: %(default)s)",
            )
    return parser


def _project(text: str) -> str:
    if not _PROJECT.match(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no project id")
    return text


def _dataset(text: str) -> str:
    if not _DATASET.match(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no BigQuery dataset name")
    return text


def render(options: argparse.Namespace) -> int:
    """Writes one file a table to `<output>/tables/`."""
    folder: Path = options.output / "tables"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    tables = list(all_tables(load_registry()))
    for table in tables:
        statement = create_statement(table, f"{options.project}.{options.dataset}")
        (folder / f"{table.name}.sql").write_text(statement)
    sys.stdout.write(f"{len(tables)} tables in {folder}/\n")
    return 0


def apply(options: argparse.Namespace) -> int:
    """Makes or extends the tables, and says what was done; 1 on a conflict."""
    outcome = apply_tables(
        connect(options.project),
        options.dataset,
        list(all_tables(load_registry())),
        options.location,
    )
    _report(outcome)
    return 1 if outcome.conflicts else 0


def _report(outcome: Outcome) -> None:
    for name, columns in outcome.extended.items():
        sys.stdout.write(f"{name}: added {', '.join(columns)}\n")
    sys.stdout.write(
        f"{len(outcome.created)} tables created, {len(outcome.extended)} extended, "
        f"{len(outcome.unchanged)} unchanged\n"
    )
    for conflict in outcome.conflicts:
        sys.stderr.write(f"left as it is: {conflict}\n")


def _fail(text: str, code: int) -> int:
    sys.stderr.write(f"python -m sql: {text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
