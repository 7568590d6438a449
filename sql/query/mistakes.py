"""Mistakes: what BigQuery says of a statement, in a line that helps.

A name that does not exist comes with those that are near it. What a server says of its
own inside (files, classes, other databases) is left out.
"""

import contextlib
import re
from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from http import HTTPStatus

import requests
from google.api_core.exceptions import GoogleAPICallError, RetryError

from command.text import listed, printable
from command.usage import UsageError
from sql.query.catalogue import Catalogue
from sql.query.job import is_local

# Errors of the statement. All others are not the user's mistake: refused access, a
# quota, a server that fails.
MISTAKES = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.NOT_IMPLEMENTED,
}
_TABLE = re.compile(r"Not found: (?:Table|View) (?P<name>\S+)")
_DATASET = re.compile(r"Not found: Dataset (?P<name>\S+)")
# Three forms of the same; the place is [line:column].
_NAME = r"[\"'`]?(?P<name>[^\s\"'`;]+)[\"'`]?"
_COLUMNS = (
    re.compile(rf"Unrecognized name: {_NAME}"),
    re.compile(rf"Name {_NAME} not found inside"),
    re.compile(rf"does not have a column named {_NAME}"),
    re.compile(rf"Column {_NAME} (?:is not present|does not exist|was not found)"),
)
_SUGGESTED = re.compile(r"Did you mean ([^\s?]+)\?")
_PLACE = re.compile(r" at \[\d+:\d+\]")
# What a server puts around its text, or says of its own inside.
_BEFORE = re.compile(r"^\d{3} [A-Z]+ \S+: |^[A-Z][A-Za-z]+ Error: ")
_INSIDE = re.compile(
    r"duck(db|lake)|sqlglot|traceback|<class |<html|internal error|python", re.I
)
NEAR_NAMES = 3
# Of difflib's ratio, which is 1 for the same text: one letter of ten makes about 0.1.
LIKELY, POSSIBLE, AS_NEAR = 0.75, 0.6, 0.03
# A shorter part of a name is in too many others.
PART_LENGTH = 3


class StatementFailedError(RuntimeError):
    """A statement did not run, and not by a mistake in it."""


def explained(error: Exception, sql: str, catalogue: Catalogue) -> Exception:
    """What to raise instead of an error of the client: its text is for the user."""
    if isinstance(error, requests.RequestException | RetryError | ConnectionError):
        return StatementFailedError(
            "the local BigQuery was stopped"
            if is_local()
            else "BigQuery does not answer: is there a network?"
        )
    if not isinstance(error, GoogleAPICallError):
        return error
    text = message_of(error, sql)
    if error.code not in MISTAKES:
        return StatementFailedError(text)
    with contextlib.suppress(GoogleAPICallError, requests.RequestException):
        text = near(text, sql, catalogue) or text
    return UsageError(text)


def message_of(error: GoogleAPICallError, sql: str) -> str:
    """The text of an error, on one line and without a server's inside.

    Args:
        error: What the client raised.
        sql: The statement: what it names is not the inside of a server.
    """
    reasons = [str(problem.get("message") or "") for problem in error.errors or ()]
    text = next(filter(None, reasons), None) or str(error.message or "")
    line = _BEFORE.sub("", " ".join(text.split()))
    inside = {found[0].casefold() for found in _INSIDE.finditer(line)}
    if not line or any(word not in sql.casefold() for word in inside):
        who = "the local BigQuery" if is_local() else "BigQuery"
        what = f"{who} cannot run this statement"
        if line.startswith("Syntax error"):
            what = "Syntax error"
        place = _PLACE.search(line)
        return f"{what}{place[0] if place else ''}"
    return printable(line)


def near(text: str, sql: str, catalogue: Catalogue) -> str | None:
    """A text about a name that does not exist, with the names near it."""
    if match := _TABLE.search(text):
        return _no_table(match["name"], catalogue)
    if match := _DATASET.search(text):
        name = re.split(r"[:.]", match["name"])[-1]
        return f"no dataset {name}{do_you_mean(name, catalogue.datasets())}"
    for pattern in _COLUMNS:
        if match := pattern.search(text):
            return _no_column(match["name"], text, sql, catalogue)
    return None


def _no_table(label: str, catalogue: Catalogue) -> str:
    """For `project:dataset.table` and the like."""
    dataset, _, name = label.replace(":", ".").rpartition(".")
    dataset = dataset.rpartition(".")[2]
    found = do_you_mean(name, catalogue.items(dataset or None))
    return f"no table {name}{found or '; `make tables` lists them'}"


def _no_column(name: str, text: str, sql: str, catalogue: Catalogue) -> str:
    """For `column` and `alias.column`, in a text that may have its place."""
    column = name.rpartition(".")[2]
    tables = catalogue.named_in(sql)
    columns = dict.fromkeys(
        field.name for table in tables for field in table.schema or ()
    )
    where = f" in {listed(table.table_id for table in tables)}" if tables else ""
    place = _PLACE.search(text)
    found = do_you_mean(column, columns)
    if not found and (suggested := _SUGGESTED.search(text)):
        found = f"; do you mean {suggested[1]}?"
    elif not found and tables:
        found = f"; `make tables LIKE={tables[0].table_id}` lists the columns"
    return f"no column {column}{where}{place[0] if place else ''}{found}"


def do_you_mean(name: str, names: Iterable[str]) -> str:
    """`; do you mean a, b or c?`; nothing if none is near."""
    found = [printable(each) for each in near_names(name, names)]
    if not found:
        return ""
    *others, last = found
    return f"; do you mean {', '.join(others)}{' or ' if others else ''}{last}?"


def near_names(name: str, names: Iterable[str]) -> list[str]:
    """Names that are spelt alike, or have this one as a part; the nearest first."""
    by_key: dict[str, str] = {}
    for each in names:
        by_key.setdefault(each.casefold(), each)
    key = name.casefold()
    found = _alike(key, by_key, LIKELY)
    if len(key) >= PART_LENGTH:
        found += sorted((each for each in by_key if key in each), key=len)
    found = found or _alike(key, by_key, POSSIBLE)
    return [by_key[each] for each in dict.fromkeys(found)][:NEAR_NAMES]


def _alike(key: str, keys: Iterable[str], cutoff: float) -> list[str]:
    """The keys that are spelt most alike: all that are as near as the nearest."""
    found = get_close_matches(key, keys, NEAR_NAMES, cutoff)
    ratios = [SequenceMatcher(None, each, key).ratio() for each in found]
    return [
        each
        for each, ratio in zip(found, ratios, strict=True)
        if ratio > ratios[0] - AS_NEAR
    ]
