"""The report of a run: a table, a plot, and the figures as JSON."""

import datetime as dt
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measurement import Measurement, Target


def print_table(measurements: Sequence[Measurement], console: Console) -> None:
    """Prints the measurements, and what each ratio means."""
    table = Table("measurement", "value", "ratio", "target", "", "against", box=None)
    for one in measurements:
        table.add_row(
            one.name,
            f"{number(one.value)} {one.unit}",
            number(one.ratio) if one.ratio is not None else "",
            target_words(one.target, one.unit),
            {True: "met", False: "MISSED", None: ""}[one.is_met],
            f"{one.against}: {number(one.reference)}" if one.reference else "",
        )
    console.print(table)
    for one in measurements:
        if one.meaning:
            console.print(f"- {one.name}: {one.meaning}", highlight=False)


def number(value: float) -> str:
    """A figure with about three digits: 12,345, 12.3, 0.123."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def target_words(target: Target | None, unit: str) -> str:
    """A target in words: `at least 0.3`, `at most 5 s`."""
    if target is None:
        return ""
    side = "at most" if target.at_most else "at least"
    return f"{side} {target.bound:g}" + (f" {unit}" if target.of == "value" else "")


def write_json(measurements: Sequence[Measurement], path: Path) -> None:
    """Writes the figures, with a description of the machine."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    machine = {
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
    }
    results = [one.to_json() for one in measurements]
    document = {"measured_utc": now, "machine": machine, "measurements": results}
    path.write_text(json.dumps(document, indent=2) + "\n")


def plot(measurements: Sequence[Measurement], path: Path) -> None:
    """Draws each ratio relative to its target: right of the line it is met."""
    # Slow to import, and not needed by a run that was stopped.
    from matplotlib.figure import Figure

    shown = [one for one in measurements if one.target]
    figure = Figure(figsize=(10, 1 + 0.4 * len(shown)), layout="constrained")
    axes = figure.subplots()
    margins = [_margin(one) for one in shown]
    colours = ["tab:green" if one.is_met else "tab:red" for one in shown]
    axes.barh([one.name for one in shown], margins, color=colours)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.set_xlabel("times the target (right of 1 it is met)")
    for row, (one, margin) in enumerate(zip(shown, margins, strict=True)):
        axes.text(margin, row, f" {_label(one)}", va="center", fontsize=8)
    axes.margins(x=0.25)
    figure.savefig(path, dpi=120)


def _margin(one: Measurement) -> float:
    """How many times better than its target: above 1 it is met."""
    assert one.target is not None
    figure = one.value if one.target.of == "value" else one.ratio or 1e-9
    better = figure / one.target.bound
    return 1 / max(better, 1e-9) if one.target.at_most else better


def _label(one: Measurement) -> str:
    if one.ratio is not None and one.target and one.target.of == "ratio":
        return f"{number(one.ratio)} ({target_words(one.target, one.unit)})"
    return f"{number(one.value)} {one.unit} ({target_words(one.target, one.unit)})"
