"""Answer: the rows of an analysis, printed in the form that the user asks for."""

import csv
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from command.text import printable, table

# Prices and volumes: Elexon sends no more than this.
DECIMALS = 3
NOTHING = "-"


class Answer(NamedTuple):
    """What an analysis found.

    Attributes:
        columns: Names.
        rows: Values: texts, numbers, or None for what is not known.
        texts: How many of the first columns are texts.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    texts: int = 1


def print_answer(answer: Answer, form: str | None) -> None:
    """Prints the rows.

    Args:
        answer: What was found.
        form: Of `FORMATS`; None for a table in a terminal, and otherwise JSON lines.
    """
    rows = [[_plain(value) for value in row] for row in answer.rows]
    form = form or ("table" if sys.stdout.isatty() else "json")
    FORMATS[form](Answer(answer.columns, rows, answer.texts))


def say(text: str) -> None:
    """Prints a remark on standard error, where it is no row."""
    print(text, file=sys.stderr, flush=True)


def _plain(value: Any) -> Any:
    """A number of Python, rounded; None for NaN, which means NULL."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return None if value != value else round(value, DECIMALS) + 0.0
    return value


def _print_table(answer: Answer) -> None:
    shown = [[_cell(value) for value in row] for row in answer.rows]
    for line in table([list(answer.columns), *shown], left=answer.texts):
        print(line)


def _cell(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return printable(str(value))


def _print_json(answer: Answer) -> None:
    for row in answer.rows:
        print(json.dumps(dict(zip(answer.columns, row, strict=True))))


def _print_csv(answer: Answer) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(answer.rows)


FORMATS: dict[str, Callable[[Answer], None]] = {
    "table": _print_table,
    "json": _print_json,
    "csv": _print_csv,
}
