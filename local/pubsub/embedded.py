"""`python -m local pubsub`: Pub/Sub on one machine, without Java or a cloud.

Serves the official clients (`PUBSUB_EMULATOR_HOST=127.0.0.1:8085`). Topics,
subscriptions and unacknowledged messages are kept in `DIR/pubsub.sqlite`. Killed at any
moment and started again, the server has every message whose publisher got its reply,
and none that a subscriber had acknowledged and got its reply. Messages that were out
for delivery are delivered again, with the same acknowledgement ids: a subscriber that
survived the restart can still acknowledge them. A power cut may take the last moments.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import sqlite3
import sys
from pathlib import Path

import grpc

from command import signals
from local.ports import add_host_option, port_or_any
from local.pubsub.handlers import handlers
from local.pubsub.message_store import MessageStore
from local.pubsub.service import PubSubService

DEFAULT_PORT = 8085  # the port of Google's emulator
PORTS_TRIED = 100
# Requests under way when told to stop; streams would otherwise go on for ever.
STOP_SECONDS = 0.5
SERVER_OPTIONS = [
    ("grpc.so_reuseport", 0),  # or a second server would share the port in silence
    ("grpc.max_receive_message_length", -1),  # the service's own limits say no clearly
    ("grpc.max_send_message_length", -1),
    ("grpc.http2.max_ping_strikes", 0),  # idle streaming clients ping every 30 s
]


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add_host_option(parser)
    parser.add_argument(
        "--port",
        type=port_or_any,
        help=f"default: {DEFAULT_PORT}, or the next free one",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(".local"),
        metavar="DIR",
        help="folder of the message store (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or Ctrl-C; returns 2 when it cannot begin."""
    path = options.data / "pubsub.sqlite"
    try:
        port = free_port(options.host, options.port)
        options.data.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(MessageStore(path)) as store:
            asyncio.run(_serve(store, options.host, port))
    except OSError as error:
        print(f"pubsub: {error}", file=sys.stderr)
        return 2
    except sqlite3.Error as error:
        print(f"pubsub: cannot use {path}: {error}", file=sys.stderr)
        return 2
    return 0


async def _serve(store: MessageStore, host: str, port: int) -> None:
    stopped = asyncio.Event()
    signals.on_stop_in_loop(lambda _: stopped.set(), signals.ignore)
    server = grpc.aio.server(options=SERVER_OPTIONS)
    server.add_generic_rpc_handlers(handlers(PubSubService(store)))
    try:
        server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:  # taken since it was found free
        raise OSError(f"cannot listen on {host}, port {port}") from error
    await server.start()
    ready = {"ready": True, "port": port, "host": f"{host}:{port}"}
    print(json.dumps(ready), flush=True)
    await stopped.wait()
    await server.stop(STOP_SECONDS)


def free_port(host: str, port: int | None) -> int:
    """Returns the port asked for, or the first free one from the default on.

    Raises:
        OSError: None is free, or the host is not of this machine.
    """
    candidates = range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED)
    for candidate in candidates if port is None else [port]:
        try:
            with socket.create_server((host, candidate)) as probe:
                return int(probe.getsockname()[1])
        except OSError as error:
            last = error
    raise OSError(f"cannot listen on {host}, port {port or 'any'}: {last.strerror}")
