"""`python -m local pubsub`: Pub/Sub on one machine, without Java or a cloud.

Serves the official clients (`PUBSUB_EMULATOR_HOST=127.0.0.1:8085`). Topics,
subscriptions and unacknowledged messages are kept in `DIR/pubsub.sqlite`.

After a kill at any moment and a restart, the server still has every message whose
publisher got its reply, and none whose acknowledgement got its reply. Messages that
were delivered and not acknowledged are delivered again, with the same acknowledgement
ids: a subscriber that survived the restart can still acknowledge them. A power cut may
lose what was written in the last moments.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import sqlite3
from pathlib import Path

import grpc
from aiohttp import web

from command import signals
from command.usage import UsageError
from local.ports import add_host_option, port_or_any, why
from local.pubsub import metrics
from local.pubsub.handlers import handlers
from local.pubsub.message_store import MessageStore
from local.pubsub.service import PubSubService

DEFAULT_PORT = 8085  # the port of Google's emulator
PORTS_TRIED = 100
# For requests under way when it is stopped; streams would otherwise never end.
STOP_SECONDS = 0.5
SERVER_OPTIONS = [
    ("grpc.so_reuseport", 0),  # else a second server would share the port unnoticed
    (
        "grpc.max_receive_message_length",
        -1,
    ),  # its own limits have clear errors
    ("grpc.max_send_message_length", -1),
    ("grpc.http2.max_ping_strikes", 0),  # idle streaming clients ping every 30 s
]


def configure(parser: argparse.ArgumentParser) -> None:
    add_host_option(parser)
    parser.add_argument(
        "--port",
        type=port_or_any,
        help="port to listen on; 0: any free one (default: the first free from "
        f"{DEFAULT_PORT})",
    )
    parser.add_argument(
        "--metrics-port",
        type=port_or_any,
        help="serve /metrics for Prometheus there, to this machine alone; 0: any free "
        "one (default: none)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(".local"),
        metavar="DIR",
        help="folder for the messages, in pubsub.sqlite (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or Ctrl-C."""
    path = options.data / "pubsub.sqlite"
    port = free_port(options.host, options.port)
    try:
        options.data.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(MessageStore(path)) as store:
            asyncio.run(_serve(store, options.host, port, options.metrics_port))
    except OSError as error:
        raise UsageError(f"cannot use --data {options.data}: {error}") from None
    except sqlite3.Error as error:
        raise UsageError(f"cannot use {path}: {error}") from None
    return 0


async def _serve(
    store: MessageStore, host: str, port: int, metrics_port: int | None
) -> None:
    stopped = asyncio.Event()
    signals.on_stop_in_loop(lambda _: stopped.set(), signals.ignore)
    server = grpc.aio.server(options=SERVER_OPTIONS)
    service = PubSubService(store)
    server.add_generic_rpc_handlers(handlers(service))
    try:
        server.add_insecure_port(f"{host}:{port}")
    except RuntimeError:  # taken since it was found free
        raise UsageError(f"cannot listen on port {port} of {host}") from None
    await server.start()
    ready = {"ready": True, "port": port, "host": f"{host}:{port}"}
    runner = None
    if metrics_port is not None:
        runner = await _serve_metrics(service, metrics_port)
        ready["metrics_port"] = runner.addresses[0][1]
    print(json.dumps(ready), flush=True)
    await stopped.wait()
    await server.stop(STOP_SECONDS)
    if runner is not None:
        await runner.cleanup()


async def _serve_metrics(service: PubSubService, port: int) -> web.AppRunner:
    try:
        return await metrics.serve(service.metrics, port)
    except OSError as error:
        raise UsageError(
            f"--metrics-port: cannot listen on port {port}: {why(error)}"
        ) from None


def free_port(host: str, port: int | None) -> int:
    """Returns the port asked for, or the first free one from the default on.

    Raises:
        UsageError: None is free, or the host is not an address of this machine.
    """
    candidates = range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED)
    for candidate in candidates if port is None else [port]:
        try:
            with socket.create_server((host, candidate)) as probe:
                return int(probe.getsockname()[1])
        except OSError as error:
            reason = why(error)
    name = "any port" if port is None else f"port {port}"
    raise UsageError(
        f"cannot listen on {name} of {host}: {reason}; set another --port or --host"
    )
