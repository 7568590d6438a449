"""`python -m sql shell`: statements from a prompt, or from standard input.

A statement ends with `;` and may have several lines. Ctrl-C drops the line, or cancels
the statement that runs; Ctrl-D ends. Without a terminal, statements are read from
standard input until one fails.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from command.usage import FAILED, INTERRUPTED, USER_ERROR, UsageError
from sql.connection import add_path_options, client_of, path_of
from sql.query import listing
from sql.query.catalogue import Catalogue
from sql.query.command import ask, say
from sql.query.job import Tables
from sql.query.mistakes import StatementFailedError
from sql.query.question import (
    Question,
    add_format_option,
    add_limit_option,
    format_of,
)
from sql.query.statements import split
from sql.shell.words import ENDS, HELP, TABLES, is_word


class Session(NamedTuple):
    """What holds for all statements.

    Attributes:
        format: A key of `FORMATS`.
        history: The file of earlier statements.
        max_bytes: A query that would read more does not run.
    """

    format: str
    history: Path | None
    max_bytes: int | None


def configure(parser: argparse.ArgumentParser) -> None:
    add_path_options(parser)
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_format_option(parser)
    add_limit_option(parser)
    parser.add_argument(
        "--history",
        type=Path,
        metavar="FILE",
        help="the file of earlier statements (default: none is kept)",
    )


def run(options: argparse.Namespace) -> int:
    return perform(prepare(options), Tables(client_of(options), path_of(options)))


def prepare(options: argparse.Namespace) -> Session:
    if options.format == "parquet":
        raise UsageError("FORMAT=parquet is for files: `make query` writes one")
    return Session(format_of(options.format), options.history, options.max_bytes)


def perform(session: Session, tables: Tables) -> int:
    """Runs statements until the user ends; returns the exit code."""
    shell = Shell(session, tables)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return shell.read(sys.stdin)
    from sql.shell.prompt import Prompt

    prompt = Prompt(shell.catalogue, session.history)
    say(f"{tables.path}; `help` lists what you can type, Ctrl-D ends")
    while (text := prompt.ask()) is not None:
        for statement in parts(text):
            if statement.lower() in ENDS:
                return 0
            if shell.take(statement):
                break
    return 0


def parts(text: str) -> Iterator[str]:
    """The statements of what the user typed, and what follows the last one."""
    statements, rest = split(text)
    yield from statements
    if rest.strip():
        yield rest.strip()


class Shell:
    """Statements, one after another."""

    def __init__(self, session: Session, tables: Tables) -> None:
        self._session, self._tables = session, tables
        self.catalogue = Catalogue(tables)

    def read(self, lines: Iterable[str]) -> int:
        """Runs the statements of a stream, each as soon as it ends, until one fails."""
        text = ""
        for line in lines:
            if not text.strip() and is_word(line):
                statements, text = [line.strip().rstrip(";")], ""
            else:
                statements, text = split(text + line)
            for statement in statements:
                if statement.lower() in ENDS:
                    return 0
                if code := self.take(statement):
                    return code
        return self.take(text) if text.strip() else 0

    def take(self, statement: str) -> int:
        """Runs one statement, or a word of the shell; returns its exit code."""
        try:
            self._take(statement)
        except UsageError as error:
            say(str(error))
            return USER_ERROR
        except StatementFailedError as error:
            say(f"the statement failed: {error}")
            return FAILED
        except KeyboardInterrupt:
            say("cancelled")
            return INTERRUPTED
        return 0

    def _take(self, statement: str) -> None:
        word, _, name = statement.partition(" ")
        form, tables = self._session.format, self._tables
        if not is_word(statement):
            question = Question(statement, form, None, self._session.max_bytes)
            if not ask(question, tables, self.catalogue):
                self.catalogue.forget()
        elif word.lower() == TABLES:
            listing.perform(listing.Wanted(name.strip() or None, form), tables)
        else:
            print(HELP)
