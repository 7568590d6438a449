"""`python -m local simulator`: an IRIS queue on this machine.

Replays a SAMPLES folder, or without one a demo feed over all datasets, in IRIS's own
form: subject = dataset, message id, JSON inside a JSON string.
"""

import argparse
import asyncio
import contextlib
import errno
import itertools
import logging
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
from aiohttp import web

from command import signals
from command.quantity import positive, whole
from local.ports import LOOPBACK, add_host_option, port_or_any
from local.simulator.amqp import new_message
from local.simulator.broker import Broker
from local.simulator.control import control_app
from local.simulator.demo import demo_messages
from local.simulator.sample_folder import Sample, SampleFolder, SamplesError, iris_body
from pipeline.registry import RegistryError, load_registry

AMQP_PORT = 5672
"""The port AMQP is registered for."""

PORTS_TO_TRY = 100
DEMO_RATE = 5.0
"""Messages a second; the real feed has 0.5 to 3.5."""

MAX_LAG_SECONDS = 1.0
"""How much of a pause (a full queue) the feed makes up for afterwards."""

FEED_BURST = 32
"""Messages enqueued between two looks at the network."""

_LOCAL_HOSTS = (LOOPBACK, "0.0.0.0", "::", "::1")  # noqa: S104 - compared only


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    parser.add_argument(
        "--samples", type=Path, metavar="DIR", help="replay <DATASET>/<message_id>"
    )
    add_host_option(parser)
    parser.add_argument(
        "--port",
        type=port_or_any,
        help=f"AMQP port, 0: any free one (default: the first free from {AMQP_PORT})",
    )
    parser.add_argument(
        "--control-port",
        type=port_or_any,
        default=0,
        help="HTTP port (default: a free one)",
    )
    parser.add_argument(
        "--rate",
        type=positive,
        metavar="R",
        help=f"messages a second (default: {DEMO_RATE:g}; samples: as fast as taken)",
    )
    for name, kind, default, text in (
        ("--queue", str, "iris", "its name"),
        ("--lock-seconds", positive, 60.0, "how long a message is its receiver's"),
        ("--max-deliveries", whole, 5, "after so many a message is dead-lettered"),
    ):
        text += " (default: %(default)s)"
        parser.add_argument(name, type=kind, default=default, help=text)


def run(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or Ctrl-C; 2 if it cannot start."""
    logging.basicConfig(level=logging.WARNING, format="simulator: %(message)s")
    try:
        return asyncio.run(_serve(options))
    except (SamplesError, RegistryError, OSError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2


class Feed:
    """Puts messages into the broker, at a rate or as fast as they are taken."""

    def __init__(self, broker: Broker, options: argparse.Namespace) -> None:
        self.broker = broker
        self.exhausted = False
        self.messages: Iterator[Sample]
        if options.samples is not None:
            self.messages = SampleFolder(options.samples).read()
            self.rate = options.rate
        else:
            seed = random.Random()  # noqa: S311 - demo values, no secret
            self.messages = demo_messages(load_registry(), seed)
            self.rate = options.rate or DEMO_RATE

    async def run(self) -> None:
        """Enqueues every message, then idles; ends by cancellation only."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for number in itertools.count(1):
            await self.broker.wait_for_room()
            message = next(self.messages, None)
            if message is None:
                break
            body = iris_body(message.payload)
            self.broker.put(new_message(message.dataset, message.message_id, body))
            if self.rate:
                due = max(due + 1 / self.rate, loop.time() - MAX_LAG_SECONDS)
                await asyncio.sleep(due - loop.time())
            elif number % FEED_BURST == 0:
                await asyncio.sleep(0)
        self.exhausted = True
        await asyncio.Event().wait()


async def _serve(options: argparse.Namespace) -> int:
    broker = Broker(options.queue, options.lock_seconds, options.max_deliveries)
    feed = Feed(broker, options)
    control = web.AppRunner(
        control_app(broker, lambda: feed.exhausted), access_log=None
    )
    await control.setup()
    try:
        port = await _listen(broker, options)
        control_port = await _listen_control(control, options.control_port)
        task = asyncio.create_task(feed.run())
        signals.on_stop_in_loop(lambda _: task.cancel(), signals.ignore)
        _announce(options, port, control_port)
        with contextlib.suppress(asyncio.CancelledError):
            await task
    finally:
        await broker.stop()
        await control.cleanup()
    return 0


async def _listen(broker: Broker, options: argparse.Namespace) -> int:
    """The port asked for; if none was, the first free one.

    Raises:
        OSError: It is taken.
    """
    if options.port is not None:
        with _naming_port(options.port):
            return await broker.start(options.host, options.port)
    last = AMQP_PORT + PORTS_TO_TRY - 1
    for port in range(AMQP_PORT, last):
        with contextlib.suppress(OSError):
            return await broker.start(options.host, port)
    with _naming_port(last):
        return await broker.start(options.host, last)


async def _listen_control(control: web.AppRunner, port: int) -> int:
    with _naming_port(port):
        await web.TCPSite(control, LOOPBACK, port).start()
    return int(control.addresses[0][1])


@contextlib.contextmanager
def _naming_port(port: int) -> Iterator[None]:
    """Makes a failure to listen a sentence for the user."""
    try:
        yield
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        why = "it is in use" if in_use else error.strerror
        raise OSError(f"cannot listen on port {port}: {why}") from error


def _announce(options: argparse.Namespace, port: int, control_port: int) -> None:
    """Tells whoever started this that, and where, it can be used."""
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
