"""The question: a statement, the form of the answer, and where it goes."""

import argparse
import os
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from command.usage import UsageError
from sql.query import output_file
from sql.query.formats import ENDINGS, FORMATS

HOW = 'write make query SQL="SELECT …", or SQL_FILE=file.sql'
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?(|[kMGTP])i?B?", re.I | re.ASCII)
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


class Question(NamedTuple):
    """What the user asks.

    Attributes:
        sql: A statement, or a script.
        format: A key of `FORMATS`.
        out: The file for the rows; None for standard output.
        max_bytes: A query that would read more does not run.
    """

    sql: str
    format: str
    out: Path | None
    max_bytes: int | None


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sql",
        nargs="?",
        metavar="SQL",
        help="the statement (default: the environment variable SQL, --file, or "
        "standard input)",
    )
    parser.add_argument(
        "--file", type=Path, metavar="FILE", help="a file with the statement"
    )
    add_format_option(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write the rows to this file; its ending names the format, too",
    )
    add_limit_option(parser)


def add_format_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="the form of rows (default: a table in a terminal, else JSON lines)",
    )


def add_limit_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-bytes",
        type=size_bytes,
        metavar="SIZE",
        help="do not run a query that reads more, such as 500MB or 2GB",
    )


def question_of(options: argparse.Namespace) -> Question:
    """The question of a command line.

    Raises:
        UsageError: There is no statement, or its answer has no place.
    """
    if options.out:
        output_file.check(options.out)
    return Question(
        _statement(options.sql, options.file),
        format_of(options.format, options.out),
        options.out,
        options.max_bytes,
    )


def format_of(name: str | None, out: Path | None = None) -> str:
    """The format that was named, or that of the file, or what suits the reader."""
    is_terminal = not out and sys.stdout.isatty()
    if name == "parquet" and is_terminal:
        raise UsageError("FORMAT=parquet is not for a terminal: name a file with OUT=")
    if name or not out:
        return name or ("table" if is_terminal else "json")
    if out.suffix.lower() not in ENDINGS:
        raise UsageError(f"OUT {out}: its ending names no format; set FORMAT=csv")
    return ENDINGS[out.suffix.lower()]


def size_bytes(text: str) -> int:
    """A size as a user types it: `500MB`, `2 GB`, `1000000`; for argparse.

    Raises:
        argparse.ArgumentTypeError: The text is not a size.
    """
    match = _SIZE.fullmatch(text.strip())
    size = int(Decimal(match[1]) * 1000 ** _UNITS[match[2].lower()]) if match else 0
    if not size:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size, such as 500MB")
    return size


def _statement(given: str | None, file: Path | None) -> str:
    sql = os.environ.get("SQL", "") if given is None else given
    if sql.strip() and file:
        raise UsageError("name SQL or SQL_FILE, not both")
    if file:
        sql = _read(file)
    elif not sql.strip() and given is None and not _is_terminal():
        sql = _decoded(sys.stdin.buffer.read(), "standard input")
    if not sql.strip():
        raise UsageError(f"there is no statement: {HOW}")
    return sql


def _is_terminal() -> bool:
    return sys.stdin is None or sys.stdin.isatty()


def _read(file: Path) -> str:
    try:
        return _decoded(file.expanduser().read_bytes(), str(file))
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8 text") from None
