"""Network: whether a server can be reached, known within seconds.

Without a network a lookup or a connection may hang for minutes, and nothing ends it. So
each has a thread, which is left behind when its time is over.
"""

import os
import socket
import threading
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, getproxies_environment, proxy_bypass

# A lookup and a connection take some 0.1 s; a lost packet is sent again after 1 s.
ANSWER_SECONDS = 4.0
# A statement of the local BigQuery may keep it from a small question for some seconds.
BUSY_SECONDS = 15.0
THIS_MACHINE = ("127.0.0.1", "localhost")
# A deadline ends a call of gRPC, and not its connection: if that has died unseen, all
# later calls fail on it, too. So a connection with a call is asked every 30 s, as
# Google's own client of Pub/Sub asks, and given up after 10 s without an answer. The
# option for the second that one expects, `grpc.keepalive_timeout_ms`, changes nothing
# (findings/grpc_ping_timeout.sh): 90 s in sum.
GRPC_ASKS = [("grpc.keepalive_time_ms", 30_000), ("grpc.http2.ping_timeout_ms", 10_000)]
_USUAL_PORTS = {"http": 80, "https": 443}
_OF_GRPC = "no_grpc_proxy"  # which knows it in small letters alone


class Server(NamedTuple):
    """A server that has to answer first.

    Attributes:
        is_proxy: Whether it is the proxy on the way to the one that is wanted.
    """

    host: str
    port: int
    is_proxy: bool = False

    def __str__(self) -> str:
        return f"{'the proxy ' if self.is_proxy else ''}{self.host}:{self.port}"


def go_past_proxy() -> None:
    """Makes requests to servers of this machine go past a proxy of the environment.

    requests, urllib and gRPC would send them through the proxy, which takes `127.0.0.1`
    for itself.
    """
    if not _has_proxy():
        return
    text = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    direct = _listed(text)
    is_all = direct == ["*"]  # beside other names it is no more than one of them
    if not is_all:
        direct = _with_this_machine(direct)
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(direct)
    # gRPC takes this instead, if it is set, and takes `*` for the name of a host.
    own = _listed(os.environ.get(_OF_GRPC, ""))
    if own or is_all:
        os.environ[_OF_GRPC] = ",".join(_with_this_machine(own))


def direct_variables() -> dict[str, str]:
    """The variables of the environment with which programs go past its proxy."""
    if not _has_proxy():
        return {}
    names = ("no_proxy", "NO_PROXY", _OF_GRPC)
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def _has_proxy() -> bool:
    """Whether the environment names a proxy; one of macOS's settings does not count.

    Python leaves those out as soon as there is a `no_proxy`.
    """
    return not {"no", "no_grpc"}.issuperset(getproxies_environment())


def _listed(text: str) -> list[str]:
    """The names of a list, which programs part with commas, and some with spaces."""
    return text.replace(",", " ").split()


def _with_this_machine(names: list[str]) -> list[str]:
    return names + [name for name in THIS_MACHINE if name not in names]


def server_of(url: str) -> Server:
    """The server of an address; its proxy, if the environment names one."""
    address = urlsplit(url)
    proxy = getproxies().get(address.scheme)
    if proxy and not proxy_bypass(address.netloc):
        through = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        return Server(through.hostname or "", through.port or 80, is_proxy=True)
    port = address.port or _USUAL_PORTS.get(address.scheme, 0)
    return Server(address.hostname or "", port)


def failure(server: Server, seconds: float = ANSWER_SECONDS) -> OSError | None:
    """Why a server cannot be reached; None if it accepts a connection."""
    failures: list[OSError | None] = []

    def connect() -> None:
        try:
            address = (server.host, server.port)
            socket.create_connection(address, seconds).close()
        except UnicodeError:  # of a host name that can be none
            failures.append(socket.gaierror(socket.EAI_NONAME, "not a host name"))
        except OSError as error:
            failures.append(error)
        else:
            failures.append(None)

    attempt = threading.Thread(target=connect, daemon=True)
    attempt.start()
    attempt.join(seconds)
    return failures[0] if failures else TimeoutError()


def grpc_options() -> list[tuple[str, int]]:
    """The options of a gRPC channel: it is asked, and messages have any size."""
    # Google's own clients have no limit, either.
    sizes = ("grpc.max_send_message_length", "grpc.max_receive_message_length")
    return [*((size, -1) for size in sizes), *GRPC_ASKS]


def at(address: str, usual_port: int = 80) -> Server:
    """The server of an address, with or without `http://`.

    Raises:
        ValueError: It is not an address.
    """
    parts = urlsplit(address if "//" in address else f"//{address}")
    return Server(parts.hostname or "", parts.port or usual_port)


def answers(address: str, seconds: float) -> bool:
    """Whether an HTTP server answers a question, whatever it says.

    One that is frozen accepts connections: the kernel does it.
    """
    server = at(address)
    connection = HTTPConnection(server.host, server.port, timeout=seconds)
    try:
        connection.request("GET", "/metrics")
        connection.getresponse()
    except HTTPException:
        return True
    except OSError:
        return False
    finally:
        connection.close()
    return True


def why(error: OSError, seconds: float = ANSWER_SECONDS) -> str:
    """A failure as a person says it, after the name of the server."""
    if isinstance(error, socket.gaierror):
        return "cannot be found by its name"
    if isinstance(error, TimeoutError):
        return f"does not answer within {seconds:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "refuses the connection"
    return f"cannot be reached ({error.strerror or error})"


def is_unknown(error: OSError | None) -> bool:
    """Whether DNS knows no server of this name."""
    return isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
