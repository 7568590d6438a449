"""`python -m local stack`: the whole system on this machine (run, up, env, down).

`run` starts everything and watches it. `up` leaves the services alone in the background
(Pub/Sub, BigQuery with tables, IRIS simulator), `env` prints their addresses, `down`
stops them, or a run that goes on elsewhere.

Options left out are taken from the environment: SAMPLES, RATE, UNTIL, DATA, PUBSUB,
MODE, ARCHIVE, which is how the Makefile passes them, and BIGQUERY_PORT, PUBSUB_PORT,
IRIS_PORT, HEALTH_PORT.
"""

import argparse
import asyncio
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast, get_args

from rich.console import Console

from command import signals
from command.quantity import positive
from command.usage import INTERRUPTED, USER_ERROR, UsageError
from local.bigquery.environment import bigquery_python
from local.data_folder import DEFAULT_DATA, DataFolder, add_data_option
from local.failure import PartFailedError
from local.ports import LOOPBACK, choose_port, port_number
from local.process import POLL_SECONDS, ROOT, unless, wait_for_event
from local.pubsub.google_pubsub import Choice, PubsubUnavailableError, pubsub_command
from local.simulator.sample_folder import SampleFolder, SamplesError
from local.stack.iris_source import IrisSource, read_source
from local.stack.progress import final_table, make_progress
from local.stack.run import HEALTH_HOST, Run
from local.stack.services import DEFAULT_MODE, Mode, Plan, Services, starting_text
from local.stack.summary import Counts
from pipeline.registry import RegistryError, load_registry

# What the user typed, by action; `serve` is the process behind `up`.
COMMANDS = {
    "run": "make run-local",
    "up": "make up",
    "serve": "make up",
    "env": "make env",
    "down": "make down",
}
DRAINED = "drained"
# All parts at once, each with its own deadline.
UP_SECONDS = 400.0
DOWN_SECONDS = 90.0
LOOK_SECONDS = 0.5
EXAMPLE_SQL = "SELECT * FROM bmrs_freq_iris LIMIT 5"


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument("action", choices=COMMANDS)
    _add(parser, "samples", "folder <DATASET>/<message_id> to replay; default: a demo")
    _add(parser, "rate", "messages a second of the simulator; default: its own")
    _add(parser, "until", f"`{DRAINED}`: end when all of SAMPLES is accounted for")
    add_data_option(parser)
    _add(parser, "pubsub", "`google` or `embedded` (default: google if installed)")
    _add(parser, "mode", f"`streaming` or `drain` (default: {DEFAULT_MODE})")
    _add(parser, "archive", "folder for every message as received; default: none")


def _add(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    default = os.environ.get(name.upper(), "")
    parser.add_argument(f"--{name}", default=default, metavar=name.upper(), help=text)


def run(options: argparse.Namespace) -> int:
    """Does what is asked; 1 when a part fails, 2 when the user must mend something."""
    actions = {"run": _run, "up": _up, "env": _env, "down": _down, "serve": _serve}
    try:
        path = ROOT / options.data.expanduser()
        if options.action == "down" and not path.exists():
            return _nothing_is_up(path)
        data = DataFolder(options.data, made=options.action != "env")
        return actions[options.action](data, options)
    except (RegistryError, UsageError) as error:
        print(f"{COMMANDS[options.action]}: {error}", file=sys.stderr)
        return USER_ERROR
    except PartFailedError as error:
        _report_failure(error)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(data: DataFolder, options: argparse.Namespace) -> int:
    """Runs the whole system in the foreground."""
    source = read_source(os.environ, ROOT)
    if source.health_port:
        choose_port(source.health_port, 0, "HEALTH_PORT", HEALTH_HOST)
    drain = _drain(options)
    plan = _plan(data, options, source)
    with data.owned():
        bigquery_python()
        console = Console()
        progress = make_progress(console)
        run = Run(plan, source.health_port, drain, progress)
        try:
            summary = asyncio.run(run.perform())
        finally:
            progress.close()
    _report(console, data, summary)
    if run.failure:
        raise run.failure
    return 0 if summary["balanced"] else 1


def _up(data: DataFolder, options: argparse.Namespace) -> int:
    """Starts the services in the background, unless they are there."""
    plan = _plan(data, options)
    state = data.state()
    if state and state["owner"] == plan.owner:
        print(f"already up (process {state['pid']}); `make -s env` prints addresses")
        return 0
    with data.owned():  # or says who else is there
        bigquery_python()
    print(starting_text(["Pub/Sub", "BigQuery", "IRIS simulator"], data), flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # of `timeout`
    process = _start_background(data, options)
    try:
        addresses = _await_addresses(data, process)
    except BaseException:  # Ctrl-C, too, leaves nothing half up
        process.terminate()
        process.wait()
        raise
    print(
        f"up: Pub/Sub {addresses['PUBSUB_EMULATOR_HOST']},"
        f" BigQuery {addresses['BIGQUERY_EMULATOR_HOST']}, IRIS simulator;"
        " `make -s env` prints all addresses, `make down` stops them"
    )
    return 0


def _start_background(
    data: DataFolder, options: argparse.Namespace
) -> subprocess.Popen[bytes]:
    """Starts `serve` in a session of its own, so that it outlives this one."""
    command = [sys.executable, "-m", "local", "stack", "serve"]
    for name in ("samples", "rate", "data", "pubsub"):
        command += [f"--{name}", str(getattr(options, name))]
    log = data.log("up")
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _await_addresses(
    data: DataFolder, process: subprocess.Popen[bytes]
) -> dict[str, str]:
    """Waits until all services are ready.

    Raises:
        PartFailedError: They do not come up.
    """
    deadline = time.monotonic() + UP_SECONDS
    while not (addresses := _addresses(data)):
        if process.poll() is not None or time.monotonic() > deadline:
            lines = data.log("up").read_text(errors="replace").splitlines()
            raise PartFailedError("make up", "did not come up", lines)
        time.sleep(POLL_SECONDS)  # the addresses are the condition waited for
    return addresses


def _serve(data: DataFolder, options: argparse.Namespace) -> int:
    """Is the process behind `up`: keeps the services until SIGTERM."""
    with data.owned():
        services = Services(_plan(data, options))
        asyncio.run(_keep(services))
    return 0


async def _keep(services: Services) -> None:
    stopped = asyncio.Event()
    signals.on_stop_in_loop(lambda _: stopped.set(), signals.ignore)
    try:
        await unless(stopped, services.start())
        while not stopped.is_set():
            services.check()
            await wait_for_event(stopped, LOOK_SECONDS)
    finally:
        await services.stop()


def _env(data: DataFolder, options: argparse.Namespace) -> int:
    """Prints the addresses of what runs, for `export $(make -s env)`."""
    addresses = _addresses(data)
    if not addresses:
        raise UsageError(f"nothing is up in {data.path}: start it with `make up`")
    for name, value in addresses.items():
        print(f"{name}={value}")
    return 0


def _down(data: DataFolder, options: argparse.Namespace) -> int:
    """Stops what runs in the DATA folder."""
    state = data.state()
    if not state:
        return _nothing_is_up(data.path)
    os.kill(state["pid"], signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while data.state():
        if time.monotonic() > deadline:
            raise UsageError(f"process {state['pid']} does not stop; see {data.path}")
        time.sleep(POLL_SECONDS)  # the lock is the condition waited for
    print(f"stopped what `{state['owner']}` had started in {data.path}")
    return 0


def _nothing_is_up(path: Path) -> int:
    print(f"nothing is up in {path}")
    return 0


def _plan(
    data: DataFolder, options: argparse.Namespace, source: IrisSource | None = None
) -> Plan:
    """What the options ask for, checked before anything is started.

    Raises:
        RegistryError: A dataset file is wrong.
        UsageError: Something is not as it should be.
    """
    samples = _samples(options.samples)
    pubsub = _pubsub(options.pubsub)
    load_registry()  # a wrong file is to be told here, and not by every part
    return Plan(
        data=data,
        owner=COMMANDS[options.action],
        samples=samples,
        pubsub=pubsub,
        # Who names samples wants them, whatever credentials lie in `.env`.
        simulator=samples is not None or source is None or not source.live,
        iris_port=_given_port("IRIS_PORT"),
        pubsub_port=_given_port("PUBSUB_PORT"),
        bigquery_port=_given_port("BIGQUERY_PORT"),
        mode=_mode(options.mode),
        archive=_archive(options.archive),
        rate=_rate(options.rate),
    )


def _samples(text: str) -> Path | None:
    if not text:
        return None
    folder = ROOT / Path(text).expanduser()
    try:
        SampleFolder(folder)
    except (SamplesError, OSError) as error:
        raise UsageError(str(error)) from None
    return folder


def _pubsub(text: str) -> Choice | None:
    if not text:
        return None
    if text not in get_args(Choice):
        raise UsageError(f"PUBSUB is {text!r}; it can be google or embedded")
    choice = cast("Choice", text)
    try:
        pubsub_command(choice, LOOPBACK, 0, ROOT)
    except PubsubUnavailableError as error:
        raise UsageError(str(error)) from None
    return choice


def _archive(text: str) -> Path | None:
    if not text:
        return None
    folder = ROOT / Path(text).expanduser()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"ARCHIVE is {text!r}, which is no folder")
    return folder


def _rate(text: str) -> float | None:
    try:
        return positive(text) if text else None
    except argparse.ArgumentTypeError:
        raise UsageError(
            f"RATE is {text!r}; it can be a number of messages a second"
        ) from None


def _mode(text: str) -> Mode:
    if text and text not in get_args(Mode):
        raise UsageError(f"MODE is {text!r}; it can be streaming or drain")
    return cast("Mode", text or DEFAULT_MODE)


def _drain(options: argparse.Namespace) -> bool:
    if options.until not in ("", DRAINED):
        raise UsageError(f"UNTIL is {options.until!r}; it can be {DRAINED}")
    if options.until and not options.samples:
        raise UsageError(f"UNTIL={DRAINED} needs SAMPLES: the demo feed never ends")
    return bool(options.until)


def _given_port(name: str) -> int | None:
    """The port in an environment variable, if there is one; it must be free."""
    text = os.environ.get(name)
    try:
        return choose_port(port_number(text), 0, name) if text else None
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{name}: {error}") from None


def _addresses(data: DataFolder) -> dict[str, str] | None:
    """The addresses of what runs, once all of it is ready."""
    addresses: dict[str, str] = (data.state() or {}).get("addresses", {})
    return addresses if "BIGQUERY_EMULATOR_HOST" in addresses else None


def _report(console: Console, data: DataFolder, summary: dict[str, Any]) -> None:
    ledger = {name: Counts(**counts) for name, counts in summary["datasets"].items()}
    if ledger:
        console.print(final_table(ledger))
    balanced = "balanced" if summary["balanced"] else "NOT BALANCED"
    outcome = "failed" if summary["failure"] else balanced
    if refused := summary["refused"]:
        print(
            f"messages that Pub/Sub cannot take, and that are in no table: {refused:,};"
            f" {data.log('bridge')} names them"
        )
    is_default = data.path == ROOT / DEFAULT_DATA
    where = "" if is_default else f" DATA={shlex.quote(str(data.path))}"
    lines = [
        f"{outcome} after {summary['seconds']} s: {summary['records']:,} records = "
        f"{summary['rows']:,} rows + {summary['duplicates']:,} duplicates + "
        f"{summary['dead_letters']:,} dead letters + {summary['unmapped']:,} unmapped",
        f"summary, tables and logs: {data.path}",
        f'query them: make query SQL="{EXAMPLE_SQL}"{where}',
    ]
    print(*lines, sep="\n")


def _report_failure(error: PartFailedError) -> None:
    for line in error.log_lines:
        print(f"  {line}", file=sys.stderr)
    above = " (its last lines are above)" if error.log_lines else ""
    print(f"{error}{above}", file=sys.stderr)
