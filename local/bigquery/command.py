"""`python -m local bigquery`: a BigQuery on this machine."""

import argparse
import asyncio
import json
import sys
import threading

from command import signals
from local.bigquery import emulator
from local.data_folder import DataFolder, add_data_option
from local.ports import add_host_option, port_number
from local.process import wait_for_event

# How long its end may go unnoticed.
LOOK_SECONDS = 0.5


def configure(parser: argparse.ArgumentParser) -> None:
    add_host_option(parser)
    parser.add_argument(
        "--port",
        type=port_number,
        help=f"port to listen on (default: {emulator.USUAL_PORT}, or a free one)",
    )
    add_data_option(parser)
    parser.add_argument(
        "--project",
        default=emulator.PROJECT,
        help="the project of table names without one (default: %(default)s)",
    )
    parser.add_argument(
        "--until-stdin-ends",
        action="store_true",
        help="end with the program that started it, which holds standard input open",
    )


def run(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or Ctrl-C, or until standard input ends."""
    data = DataFolder(options.data)
    with data.owned():
        asyncio.run(_serve(data, options))
    return 0


async def _serve(data: DataFolder, options: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    signals.on_stop_in_loop(lambda _: stopped.set(), signals.ignore)
    if options.until_stdin_ends:
        stop_with_stdin(stopped)
    server = emulator.start(data, options.port, options.project, options.host)
    try:
        await server.ready()
        data.write_state("python -m local bigquery", emulator.addresses(server))
        ready = {
            "ready": True,
            "port": server.port,
            "grpc_port": server.grpc_port,
            "host": server.host,
        }
        print(json.dumps(ready), flush=True)
        while not stopped.is_set():
            server.child.check()
            await wait_for_event(stopped, LOOK_SECONDS)
    finally:
        await server.child.stop(emulator.STOP_SECONDS)


def stop_with_stdin(stopped: asyncio.Event) -> None:
    """Sets the event when standard input ends, however its writer ended."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(stopped.set)

    threading.Thread(target=wait, daemon=True).start()
