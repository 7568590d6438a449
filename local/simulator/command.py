"""`python -m local simulator`: an IRIS queue on this machine.

Replays a SAMPLES folder. Without one it sends the demo of an invented market. Messages
have the form of IRIS: subject = dataset, message id, JSON inside a JSON string.
"""

import argparse
import asyncio
import contextlib
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path

import orjson
from aiohttp import web

from command import signals
from command.quantity import positive, whole
from command.usage import UsageError
from local.ports import LOOPBACK, add_host_option, port_or_any, why
from local.simulator.broker import Broker
from local.simulator.control import control_app
from local.simulator.demo import SEED
from local.simulator.feed import DemoFeed, Feed, SampleFeed
from local.simulator.pace import DEMO_RATE
from pipeline.registry import load_registry

AMQP_PORT = 5672
"""The port AMQP is registered for."""

PORTS_TO_TRY = 100

_LOCAL_HOSTS = (LOOPBACK, "0.0.0.0", "::", "::1")  # noqa: S104 - compared only


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--samples",
        type=Path,
        metavar="DIR",
        help="replay the files <DATASET>/<message_id> of this folder (default: a demo)",
    )
    add_host_option(parser)
    parser.add_argument(
        "--port",
        type=port_or_any,
        help=f"AMQP port; 0: any free one (default: the first free from {AMQP_PORT})",
    )
    parser.add_argument(
        "--control-port",
        type=port_or_any,
        default=0,
        help="HTTP port for counters and faults (default: a free one)",
    )
    parser.add_argument(
        "--rate",
        type=positive,
        metavar="R",
        help=f"messages a second (default: {DEMO_RATE:g} after yesterday's; with "
        "--samples: as fast as they are received)",
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="where the demo keeps how far it was read, to go on from there",
    )
    parser.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE",
        help="serve AMQP with TLS, with this certificate and its key (PEM)",
    )
    for name, kind, default, text in (
        ("--seed", whole, SEED, "of the demo's market"),
        ("--queue", str, "iris", "name of the queue, or several: a,b"),
        ("--lock-seconds", positive, 60.0, "how long a receiver holds a message"),
        ("--max-deliveries", whole, 5, "deliveries before a message is dead-lettered"),
    ):
        text += " (default: %(default)s)"
        parser.add_argument(name, type=kind, default=default, help=text)


def run(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.WARNING, format="simulator: %(message)s")
    try:
        asyncio.run(_serve(options))
    except OSError as error:
        raise UsageError(f"cannot read the samples: {error}") from None
    return 0


async def _serve(options: argparse.Namespace) -> None:
    broker = Broker(options.queue, options.lock_seconds, options.max_deliveries)
    feed = _feed(broker, options)
    control = web.AppRunner(
        control_app(broker, lambda: feed.exhausted), access_log=None
    )
    await control.setup()
    try:
        port = await _listen(broker, options)
        control_port = await _listen_control(control, options.control_port)
        task = asyncio.create_task(feed.run())
        signals.on_stop_in_loop(lambda _: task.cancel(), signals.ignore)
        _print_ready(options, port, control_port)
        with contextlib.suppress(asyncio.CancelledError):
            await task
    finally:
        feed.close()
        await broker.stop()
        await control.cleanup()


def _feed(broker: Broker, options: argparse.Namespace) -> Feed:
    if options.samples is not None:
        return SampleFeed(broker, options.samples, options.rate)
    load_registry()  # a dataset file that is wrong is one line
    return DemoFeed(broker, options.rate, options.seed, options.state)


async def _listen(broker: Broker, options: argparse.Namespace) -> int:
    """The port of `--port`; without one, the first free port.

    Raises:
        UsageError: It cannot be used.
    """
    tls = _tls(options.certificate) if options.certificate else None
    if options.port is not None:
        with _port_of("--port or --host", options.port, options.host):
            return await broker.start(options.host, options.port, tls)
    last = AMQP_PORT + PORTS_TO_TRY - 1
    for port in range(AMQP_PORT, last):
        with contextlib.suppress(OSError):
            return await broker.start(options.host, port, tls)
    with _port_of("--port or --host", last, options.host):
        return await broker.start(options.host, last, tls)


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate)
    except OSError as error:  # ssl's own errors, too
        raise UsageError(
            f"--certificate: cannot use {certificate}: {error.strerror}"
        ) from None
    return context


async def _listen_control(control: web.AppRunner, port: int) -> int:
    with _port_of("--control-port", port, LOOPBACK):
        await web.TCPSite(control, LOOPBACK, port).start()
    return int(control.addresses[0][1])


@contextlib.contextmanager
def _port_of(options: str, port: int, host: str) -> Iterator[None]:
    """Turns a failure to listen into a user's mistake."""
    try:
        yield
    except OSError as error:
        problem = f"cannot listen on port {port} of {host}: {why(error)}"
        raise UsageError(f"{problem}; set another {options}") from None


def _print_ready(options: argparse.Namespace, port: int, control_port: int) -> None:
    """Prints one JSON line: where the queue can be used, from now on."""
    host = "localhost" if options.host in _LOCAL_HOSTS else options.host
    connection_string = (
        f"Endpoint=sb://{host}:{port};SharedAccessKeyName=simulator;"
        "SharedAccessKey=simulator;UseDevelopmentEmulator=true;"
    )
    ready = {
        "ready": True,
        "port": port,
        "control_port": control_port,
        "connection_string": connection_string,
        "queue": options.queue,
    }
    print(orjson.dumps(ready).decode(), flush=True)
