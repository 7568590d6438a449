"""The services in the background: `make up`, `make env`, `make down`."""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time

from command import network, signals
from command.usage import UsageError
from local.bigquery.environment import bigquery_python
from local.data_folder import DataFolder
from local.failure import PartFailedError
from local.process import POLL_SECONDS, ROOT, unless, wait_for_event
from local.stack.plan import Plan
from local.stack.services import Services, starting_text

# All parts at once, each with its own deadline.
UP_SECONDS = 400.0
DOWN_SECONDS = 90.0
LOOK_SECONDS = 0.5


def up(plan: Plan, options: argparse.Namespace) -> int:
    """Starts the services in a process of their own, unless they are up."""
    data = plan.data
    state = data.state()
    if state and state["owner"] == plan.owner:
        print(f"already up (process {state['pid']}); `make -s env` prints addresses")
        return 0
    bigquery_python()
    with data.owned():  # or says who is using it
        pass
    print(starting_text(["Pub/Sub", "BigQuery", "IRIS simulator"], data), flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # sent by `timeout`
    process = _start_background(data, options)
    try:
        addresses = _await_addresses(data, process)
    except BaseException:  # Ctrl-C too: nothing is left half started
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
    """Starts `serve` in its own session, so that it outlives this process."""
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
        PartFailedError: They do not start.
    """
    deadline = time.monotonic() + UP_SECONDS
    while not (addresses := _addresses(data)):
        if process.poll() is not None or time.monotonic() > deadline:
            lines = data.log("up").read_text(errors="replace").splitlines()
            raise PartFailedError("make up", "did not start the services", lines)
        time.sleep(POLL_SECONDS)  # the addresses are the condition waited for
    return addresses


def serve(plan: Plan) -> int:
    """Is the process behind `up`: keeps the services until SIGTERM."""
    with plan.data.owned():
        asyncio.run(_keep(Services(plan)))
    return 0


async def _keep(services: Services) -> None:
    stopped = asyncio.Event()
    signals.on_stop_in_loop(lambda _: stopped.set(), signals.ignore)
    try:
        await unless(stopped, services.start())
        while not stopped.is_set():
            services.keep_up(_say)
            await wait_for_event(stopped, LOOK_SECONDS)
    finally:
        await services.stop()


def _say(text: str) -> None:
    print(text, flush=True)  # into the log of `make up`


def print_addresses(data: DataFolder) -> int:
    """Prints the addresses of what is up, for `export $(make -s env)`."""
    addresses = _addresses(data)
    if not addresses:
        raise UsageError(f"nothing is up in {data.path}: start it with `make up`")
    # Past the user's proxy, to these.
    for name, value in sorted({**addresses, **network.direct_variables()}.items()):
        print(f"{name}={value}")
    return 0


def down(data: DataFolder) -> int:
    """Stops what is up in the DATA folder: services, or a run."""
    state = data.state()
    if not state:
        print(f"nothing is up in {data.path}")
        return 0
    os.kill(state["pid"], signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while data.state():
        if time.monotonic() > deadline:
            raise UsageError(
                f"process {state['pid']} (`{state['owner']}`) has not stopped within "
                f"{DOWN_SECONDS:g} s; its logs are in {data.path / 'logs'}"
            )
        time.sleep(POLL_SECONDS)  # the lock is the condition waited for
    print(f"stopped what `{state['owner']}` had started in {data.path}")
    return 0


def _addresses(data: DataFolder) -> dict[str, str] | None:
    """The addresses of what is up, once all of it is ready."""
    addresses: dict[str, str] = (data.state() or {}).get("addresses", {})
    return addresses if "BIGQUERY_EMULATOR_HOST" in addresses else None
