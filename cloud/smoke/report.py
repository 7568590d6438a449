"""The report: a table for a reader, a document for a program."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cloud.smoke.findings import Finding, Verdict, any_failed
from command.text import printable
from sql.check.report import FILE_COLUMNS

_COLOURS = {
    Verdict.OK: "green",
    Verdict.FAILED: "bold red",
    Verdict.UNKNOWN: "yellow",
}


def as_json(findings: Sequence[Finding], facts: dict[str, Any]) -> dict[str, Any]:
    """The document for programs.

    Args:
        findings: What the checks found.
        facts: More about the run: its marker, the seconds until its rows were there.
    """
    return {
        "status": Verdict.FAILED if any_failed(findings) else Verdict.OK,
        **facts,
        "checks": [asdict(finding) for finding in findings],
    }


def print_table(findings: Sequence[Finding]) -> None:
    """Prints each check with its result, what to do below it, and then the counts."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=FILE_COLUMNS)
    table = Table(box=None, pad_edge=False)
    for heading in ("verdict", "check"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what was seen", overflow="fold")
    for finding in findings:
        seen = Text(printable(finding.seen))
        if finding.todo:
            seen.append(f"\n-> {printable(finding.todo)}", "bold")
        verdict = Text(finding.verdict, _COLOURS[finding.verdict])
        table.add_row(verdict, finding.name, seen)
    console.print(table)
    counts = Counter(finding.verdict for finding in findings)
    console.print(
        Text(", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict))
    )
