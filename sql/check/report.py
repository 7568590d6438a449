"""The report of the checks: a table for people, a JSON document for programs."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from command.text import printable
from sql.check.context import Result, Status

# Without a terminal rich uses 80 columns: too few for a name and a problem.
FILE_COLUMNS = 140
_BY_WEIGHT = (Status.FAIL, Status.WARN, Status.INFO, Status.OK)
_COLOURS = {Status.FAIL: "bold red", Status.WARN: "yellow", Status.OK: "green"}
# The words for the datasets of a status in the summary line of a check.
_WORDS = {
    "tables": {Status.OK: "there", Status.FAIL: "missing"},
    "freshness": {
        Status.OK: "datasets fresh",
        Status.FAIL: "stale",
        Status.WARN: "never seen",
        Status.INFO: "without a known cadence",
    },
    "completeness": {
        Status.OK: "datasets complete",
        Status.FAIL: "with gaps",
        Status.INFO: "not due or not begun",
    },
    "duplicates": {
        Status.OK: "datasets without",
        Status.WARN: "with some",
        Status.FAIL: "with many or with contradictions",
        Status.INFO: "with corrections",
    },
    "unmapped": {
        Status.FAIL: "datasets waiting",
        Status.WARN: "replayed without effect",
        Status.INFO: "replayed",
        Status.OK: "rows now",
    },
    "dead_letters": {
        Status.FAIL: "kinds waiting",
        Status.WARN: "kinds replayed without effect",
        Status.INFO: "kinds replayed",
        Status.OK: "kinds that are rows now",
    },
    "drift": {Status.WARN: "unknown fields"},
    "history_times": {
        Status.OK: "time columns clear",
        Status.INFO: "not certain",
        Status.WARN: "in doubt",
        Status.FAIL: "not in UTC",
    },
    "balancing": {
        Status.OK: "datasets agree with what is computed",
        Status.WARN: "do not agree",
        Status.INFO: "not published",
    },
    "ledger": {Status.OK: "datasets balanced", Status.FAIL: "not balanced"},
}

# Where a person reads what to do about a failure or warning, by check.
NEXT = {
    "tables": "docs/quality.md#check",
    "freshness": "docs/operations.md#nothing-arrives",
    "completeness": "docs/operations.md#the-bridge-was-away",
    "duplicates": "docs/operations.md#rows-doubled",
    "dead_letters": "docs/operations.md#dead-letters-rise",
    "unmapped": "docs/operations.md#a-new-dataset-appears",
    "ledger": "docs/operations.md#a-bad-release",
    "drift": "docs/operations.md#a-new-field-appears",
    "history_times": "docs/operations.md#history-in-local-time",
    "balancing": "docs/quality.md#computed-and-published-volumes",
}


def overall(results: Iterable[Result]) -> Status:
    """`fail` if anything failed, else `warn` if anything warns, else `ok`."""
    found = {result.status for result in results}
    return next(
        (status for status in (Status.FAIL, Status.WARN) if status in found), Status.OK
    )


def as_json(results: Sequence[Result], at: dt.datetime) -> dict[str, Any]:
    """The document for programs; the figures of a result are among its fields."""
    return {
        "checked_utc": _json_value(at),
        "status": overall(results),
        "results": [_json_result(result) for result in results],
    }


def _json_result(result: Result) -> dict[str, Any]:
    fields = asdict(result)
    figures, detail = fields.pop("figures"), fields.pop("detail")
    fields |= {name: _json_value(value) for name, value in figures.items()}
    return fields | {"detail": detail}


def _json_value(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return value


def print_report(results: Sequence[Result], *, verbose: bool) -> None:
    """Prints each problem in full, then one line for each check."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=FILE_COLUMNS)
    shown = [
        result
        for result in sorted(results, key=lambda r: _BY_WEIGHT.index(r.status))
        if verbose or result.status in (Status.FAIL, Status.WARN)
    ]
    if shown:
        console.print(_table(shown))
    for check in dict.fromkeys(result.check for result in results):
        console.print(Text(_summary(check, [r for r in results if r.check == check])))
    status = overall(results)
    console.print(Text(status.upper(), _COLOURS[status]))
    shown_checks = dict.fromkeys(
        result.check
        for result in results
        if result.status == status != Status.OK and result.check in NEXT
    )
    for check in shown_checks:
        console.print(Text(f"what to do about {check}: {NEXT[check]}"))


def _table(results: Iterable[Result]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("status", "check", "dataset"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what was found", overflow="fold")
    for result in results:
        table.add_row(
            Text(result.status, _COLOURS.get(result.status, "")),
            result.check,
            Text(printable(result.dataset or "")),
            Text(printable(result.detail)),
        )
    return table


def _summary(check: str, results: Sequence[Result]) -> str:
    counts = Counter(result.status for result in results)
    words = _WORDS.get(check, {})
    if all(result.dataset is None for result in results):
        return f"{check}: {results[0].detail}"
    return f"{check}: " + ", ".join(
        f"{counts[status]} {words.get(status, status)}"
        for status in reversed(_BY_WEIGHT)
        if counts[status]
    )
