"""`python -m sql query`: a statement or a script, its rows, and what it did.

Rows go to standard output or a file, everything else to standard error.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator
from typing import Any

from google.api_core.exceptions import GoogleAPICallError, RetryError
from requests import RequestException

from command.text import size_text
from command.usage import FAILED, UsageError
from sql.connection import add_path_options, client_of, path_of
from sql.query.catalogue import Catalogue
from sql.query.deeds import counted, deeds
from sql.query.formats import FORMATS, Answer
from sql.query.job import (
    Tables,
    answer_of,
    bytes_read,
    has_rows,
    is_local,
)
from sql.query.job import run as run_job
from sql.query.mistakes import StatementFailedError, explained
from sql.query.output_file import complete_file, standard_output
from sql.query.question import Question, add_options, question_of

__all__ = ["add_options"]
# A person reads no more in a terminal; files and pipes have no limit.
TERMINAL_ROWS = 1_000


def configure(parser: argparse.ArgumentParser) -> None:
    add_path_options(parser)
    add_options(parser)


def run(options: argparse.Namespace) -> int:
    question = question_of(options)
    return perform(question, Tables(client_of(options), path_of(options)))


def prepare(options: argparse.Namespace) -> Question:
    """What the command line asks, before there is a server."""
    return question_of(options)


def perform(question: Question, tables: Tables) -> int:
    """Asks; returns the exit code.

    Raises:
        UsageError: The statement has a mistake, or the file cannot be written.
    """
    try:
        ask(question, tables, Catalogue(tables))
    except StatementFailedError as error:
        print(f"the statement failed: {error}", file=sys.stderr)
        return FAILED
    return 0


def ask(question: Question, tables: Tables, catalogue: Catalogue) -> bool:
    """Runs a statement, writes its rows, and says what it did.

    Returns:
        Whether it was a query, which changes nothing.

    Raises:
        UsageError: The statement has a mistake, or the file cannot be written.
        StatementFailedError: BigQuery did not run it.
    """
    try:
        return _ask(question, tables)
    except (GoogleAPICallError, RetryError, RequestException, ConnectionError) as error:
        raise explained(error, question.sql, catalogue) from None


def _ask(question: Question, tables: Tables) -> bool:
    limit = question.max_bytes
    if limit or not is_local():
        check_size(bytes_read(tables, question.sql), limit)
    job, rows = run_job(tables, question.sql, limit)
    shown = has_rows(job, rows)
    done = list(deeds(tables, job, shown=shown))
    if shown:
        write(question, answer_of(tables, job, rows), rows.total_rows or 0)
    elif question.out:
        done.append(f"no rows: {question.out} is not written")
    for line in done or ([] if shown else ["done"]):
        say(line)
    return shown and not done


def check_size(size: int, limit: int | None) -> None:
    """Says what a query will read.

    Raises:
        UsageError: More than the limit.
    """
    if limit and size > limit:
        raise UsageError(
            f"the statement reads {size_text(size)}, and MAX_BYTES is "
            f"{size_text(limit)}: it did not run; name a day of the partition column, "
            "or fewer columns"
        )
    say(f"reads {size_text(size)}")


def write(question: Question, answer: Answer, total: int) -> None:
    """Writes the rows of a query, and says how many there are."""
    form = FORMATS[question.format]
    if question.out:
        with complete_file(question.out) as stream:
            count = form(answer, stream, None)
        say(f"exported to {question.out}: {counted(count)}")
        return
    is_terminal = sys.stdout.isatty()
    shown = first_rows(answer, TERMINAL_ROWS) if is_terminal else answer
    width = shutil.get_terminal_size().columns if is_terminal else None
    with standard_output() as stream:
        count = form(shown, stream, width)
        if is_terminal and count < total:
            say(
                f"{count:,} of {counted(total)}; a file has them all: "
                "OUT=rows.csv, .parquet or .json"
            )
        elif is_terminal or not count:
            say(counted(count))


def first_rows(answer: Answer, limit: int) -> Answer:
    """The first rows of an answer."""

    def batches() -> Iterator[Any]:
        left = limit
        for batch in answer.batches:
            yield batch.slice(0, left)
            left -= batch.num_rows
            if left <= 0:
                return

    return Answer(answer.schema, batches())


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
