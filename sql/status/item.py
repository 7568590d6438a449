"""An item of a status: a part, how it is, and what to do; as a table and as JSON."""

import datetime as dt
import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text


class State(StrEnum):
    """How a part is; `off` is away and nobody has asked for it."""

    OK = "ok"
    OFF = "off"
    WARN = "warn"
    FAIL = "fail"


COLOURS = {State.OK: "green", State.OFF: "dim", State.WARN: "yellow", State.FAIL: "red"}
WORST_FIRST = (State.FAIL, State.WARN)


class Item(NamedTuple):
    """One line.

    Attributes:
        part: What it is about.
        says: Its figures, for a person.
        advice: What to do; empty if there is nothing.
        figures: The same, for programs.
    """

    part: str
    state: State
    says: str
    advice: str = ""
    figures: dict[str, Any] = {}  # noqa: RUF012 - never changed


def overall(items: Sequence[Item]) -> State:
    """The worst state; a part that is off does not count."""
    states = {item.state for item in items}
    return next((state for state in WORST_FIRST if state in states), State.OK)


def print_items(items: Sequence[Item], console: Console) -> None:
    """Prints a line for each, and below them what to do."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for item in items:
        state = Text(item.state.value, COLOURS[item.state])
        table.add_row(Text(item.part), state, Text(item.says))
    console.print(table)
    for item in items:
        if item.advice:
            console.print(Text(f"{item.part}: {item.advice}"), soft_wrap=True)


def print_json(items: Sequence[Item], at: dt.datetime) -> None:
    """Prints one document."""
    document = {
        "at": at.isoformat(timespec="seconds"),
        "state": overall(items),
        "items": [item._asdict() for item in items],
    }
    print(json.dumps(document, ensure_ascii=False, indent=2, default=str))
