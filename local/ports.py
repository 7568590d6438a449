"""TCP ports: the one that a user asked for, or one that is free."""

import argparse
import errno
import fcntl
import functools
import os
import random
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

from command.usage import UsageError

LOOPBACK = "127.0.0.1"
MAX_PORT = 65_535
# Below those that systems give to outgoing connections (Linux: from 32,768; others:
# from 49,152), one of which may take a port before its server does.
FREE_PORTS = frozenset(range(20_000, 32_000))
ATTEMPTS = 50

# Open files by port: the lock on each lasts as long as this process.
_claimed: dict[int, int] = {}
# Private ports of this process: the server of each may not be listening yet.
_chosen: set[int] = set()


def port_number(text: str, least: int = 1) -> int:
    """Parses a port; for argparse.

    Args:
        text: What the user typed.
        least: 0 where that means any free one.

    Raises:
        argparse.ArgumentTypeError: The text is not a port.
    """
    if not (text.isascii() and text.isdigit() and least <= int(text) <= MAX_PORT):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port ({least} to {MAX_PORT})"
        )
    return int(text)


port_or_any = functools.partial(port_number, least=0)


def add_host_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--host`, where a server listens."""
    parser.add_argument(
        "--host", default=LOOPBACK, help="address to listen on (default: %(default)s)"
    )


def why(error: OSError) -> str:
    """Why a port cannot be used, without the address that Python adds to the text."""
    if error.errno == errno.EADDRINUSE:
        return "it is in use"
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    # Of a name lookup: its numbers are not those of the system.
    return str(error.strerror).partition(" (while")[0]


def _claim(port: int) -> None:
    """Takes a port for this process before anything listens on it.

    Without this two runs that start together both find the usual port free, and one of
    them ends up with the other's server.

    Raises:
        OSError: Another process has claimed it.
    """
    if port in _claimed:
        return
    path = Path(tempfile.gettempdir()) / f"gb-iris-port-{port}.lock"
    claim = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(claim)
        raise OSError(errno.EADDRINUSE, "claimed") from error
    _claimed[port] = claim


def choose_port(
    wanted: int | None, usual: Sequence[int], purpose: str, host: str = LOOPBACK
) -> int:
    """Returns a port that is free now.

    Args:
        wanted: The port that the user gave, if any.
        usual: The ports to use if the user gave none, the best first; if all are taken,
            another one.
        purpose: What the port is for, for the error.
        host: The address that will be listened on.

    Raises:
        UsageError: The port that the user gave cannot be used.
    """
    for port in usual if wanted is None else [wanted]:
        try:
            if port in usual and port not in FREE_PORTS:
                _claim(port)
            socket.create_server((host, port)).close()
        except OSError as error:
            reason = why(error)
        else:
            return port
    if wanted is None:
        return private_port(host)
    raise UsageError(
        f"port {wanted} ({purpose}) cannot be used: {reason}; choose another"
    )


def private_port(host: str = LOOPBACK) -> int:
    """Returns a free port that nobody else expects to be in use; each time another one.

    Raises:
        UsageError: The host is not an address of this machine, or no port is free.
    """
    for port in random.sample(sorted(FREE_PORTS - _chosen), ATTEMPTS):
        try:
            socket.create_server((host, port)).close()
        except OSError as error:
            reason = why(error)
        else:
            _chosen.add(port)
            return port
    raise UsageError(f"no port of {host} can be used: {reason}; choose another host")
