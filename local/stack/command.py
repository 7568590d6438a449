"""`python -m local stack`: the whole system on this machine (run, up, env, down).

`run` starts everything and watches it. `up` starts the services alone (Pub/Sub,
BigQuery with tables, IRIS simulator) in the background, `env` prints their addresses,
and `down` stops them, or a run in another terminal.

Options that are left out come from the environment: SAMPLES, RATE, UNTIL, DATA, PUBSUB,
MODE, ARCHIVE, DASHBOARD. The Makefile passes them this way. BIGQUERY_PORT, PUBSUB_PORT,
IRIS_PORT, HEALTH_PORT and DASHBOARD_PORT set ports.
"""

import argparse
import asyncio
import os
import shlex
import sys
from typing import Any

from rich.console import Console

from command.text import listed, printable
from command.usage import FAILED, USER_ERROR, UsageError
from local.bigquery.environment import bigquery_python
from local.data_folder import DEFAULT_DATA, DataFolder, add_data_option
from local.process import ROOT
from local.simulator.pace import DEMO_RATE
from local.simulator.sample_folder import SampleFolder
from local.stack import background
from local.stack.iris_source import read_source
from local.stack.left import left_lines
from local.stack.mixture import refuse_mixture
from local.stack.plan import DEFAULT_MODE, DRAINED, Plan, run_plan, services_plan
from local.stack.progress import final_table, make_progress
from local.stack.run import Run
from local.stack.summary import Counts
from pipeline.core.reasons import reasons_lines

# What the user typed, by action; `serve` is the process behind `up`.
COMMANDS = {
    "run": "make run-local",
    "up": "make up",
    "serve": "make up",
    "env": "make env",
    "down": "make down",
}
EXAMPLE_SQL = "SELECT * FROM bmrs_freq_iris LIMIT 5"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=COMMANDS,
        help="run: everything, until Ctrl-C; up: the services in the background; "
        "serve: the same in the foreground; env: their addresses; down: stop them",
    )
    _add(parser, "samples", "folder <DATASET>/<message_id> to replay (default: a demo)")
    _add(
        parser,
        "rate",
        f"messages a second of the simulator (default: {DEMO_RATE:g}; with --samples: "
        "as fast as they are received)",
    )
    _add(parser, "until", f"`{DRAINED}`: end when all of SAMPLES is accounted for")
    add_data_option(parser)
    _add(parser, "pubsub", "`embedded` or `google`, in memory only (default: embedded)")
    _add(parser, "mode", f"`streaming` or `drain` (default: {DEFAULT_MODE})")
    _add(parser, "archive", "folder for every message as received (default: none)")
    _add(parser, "dashboard", "`0`: without the dashboard (default: with it)")


def _add(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    default = os.environ.get(name.upper(), "")
    parser.add_argument(f"--{name}", default=default, metavar=name.upper(), help=text)


def run(options: argparse.Namespace) -> int:
    """Performs the action; a user's mistake is reported by the name that was typed."""
    try:
        return _perform(COMMANDS[options.action], options)
    except UsageError as error:
        print(f"{COMMANDS[options.action]}: {error}", file=sys.stderr)
        return USER_ERROR


def _perform(owner: str, options: argparse.Namespace) -> int:
    data = DataFolder(options.data, must_exist=options.action == "env")
    match options.action:
        case "env":
            return background.print_addresses(data)
        case "down":
            return background.down(data)
        case "up":
            return background.up(services_plan(data, owner, options), options)
        case "serve":
            return background.serve(services_plan(data, owner, options))
        case _:
            has_samples = bool(options.samples)
            source = read_source(os.environ, ROOT, has_samples=has_samples)
            return _run(run_plan(data, owner, options, source))


def _run(plan: Plan) -> int:
    """Runs the whole system in the foreground.

    Raises:
        UsageError: The user must correct something first.
    """
    if not plan.simulator:
        from local.stack import live_feed  # the demo needs none of its libraries

        print(live_feed.look(os.environ, ROOT), flush=True)
    refuse_mixture(plan)
    bigquery_python()
    if plan.samples and (skipped := SampleFolder(plan.samples).skipped):
        named = listed(map(printable, skipped))
        print(f"skipped, as they are not <DATASET>/<message_id>: {named}", flush=True)
    with plan.data.owned():
        console = Console()
        progress = make_progress(console)
        run = Run(plan, progress)
        try:
            summary = asyncio.run(run.perform())
        finally:
            progress.close()
    report(console, plan.data, summary)
    if run.failure:
        raise run.failure
    return 0 if summary["balanced"] else FAILED


def report(console: Console, data: DataFolder, summary: dict[str, Any]) -> None:
    """Prints what a run has done, from its summary."""
    ledger = {name: Counts(**counts) for name, counts in summary["datasets"].items()}
    if ledger:
        console.print(final_table(ledger))
    outcome = _outcome(summary)
    if refused := summary["refused"]:
        print(
            f"messages that Pub/Sub refused, which are in no table: {refused:,};"
            f" {data.log('bridge')} names them"
        )
    if restarts := summary["restarts"]:
        named = ", ".join(f"{part} ({count})" for part, count in restarts.items())
        print(f"started again after their end: {named}; {data.path / 'logs'} says why")
    is_default = data.path == ROOT / DEFAULT_DATA
    where = "" if is_default else f" DATA={shlex.quote(str(data.path))}"
    lines = [
        f"{outcome} after {summary['seconds']} s: {summary['records']:,} records = "
        f"{summary['rows']:,} rows + {summary['duplicates']:,} duplicates + "
        f"{summary['dead_letters']:,} dead letters + {summary['unmapped']:,} unmapped",
        f"summary, tables and logs: {data.path}",
        f'query them: make query SQL="{EXAMPLE_SQL}"{where}',
    ]
    reasons = {(r["reason"], r["dataset"]): r["count"] for r in summary["reasons"]}
    lines += reasons_lines(reasons, f"make query{where} SQL=")
    lines += left_lines(summary, where)
    print(*lines, sep="\n")


def _outcome(summary: dict[str, Any]) -> str:
    if summary["failure"]:
        return "failed"
    if not summary["connected"]:
        if not summary["ready"]:
            return "stopped at its start"
        return "ended without a connection to IRIS"
    return "balanced" if summary["balanced"] else "NOT BALANCED"
