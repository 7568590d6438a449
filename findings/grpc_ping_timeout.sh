#!/bin/sh
# gRPC's keepalive and a connection that died unseen.
#
# One expects: a client with grpc.keepalive_time_ms=10000 and grpc.keepalive_timeout_ms=5000
# gives up a connection on which nothing comes back after 15 s; the timeout's default, 20 s,
# is what gRPC's guide says. And: a call that ends with DEADLINE_EXCEEDED again and again
# makes a client without keepalive open another connection.
# What happens: the timeout changes nothing. The connection is given up after 70 s, as a ping
# is waited for by another option, grpc.http2.ping_timeout_ms, of a minute; with
# grpc.http2.ping_timeout_ms=5000 it is given up within 15 s. Without keepalive each call waits
# for its whole deadline, on the same dead connection, for as long as one looks.
# Tried with grpcio 1.85.1, Python 3.11.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "grpcio==1.85.1"
cat >"$work/try.py" <<'END'
import importlib.metadata
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

ASKED_FOR_SECONDS = 90
CALL_SECONDS = 4
dead = set()


def echo(request, _):
    return request


handler = grpc.method_handlers_generic_handler(
    "any.Echo", {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
)
server = grpc.server(ThreadPoolExecutor(4))
server.add_generic_rpc_handlers([handler])
port = server.add_insecure_port("127.0.0.1:0")
server.start()


def pass_on(source, target):
    try:
        while data := source.recv(65_536):
            if source not in dead:
                target.sendall(data)
    except OSError:
        pass


def serve(listening):
    while True:
        client = listening.accept()[0]
        upstream = socket.create_connection(("127.0.0.1", port))
        open_sockets.extend([client, upstream])
        for pair in ((client, upstream), (upstream, client)):
            threading.Thread(target=pass_on, args=pair, daemon=True).start()


open_sockets = []
listening = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listening,), daemon=True).start()


def seconds_until_answered(channel):
    """How long calls fail on a connection that has died; None: for all that time."""
    began = time.monotonic()
    while time.monotonic() - began < ASKED_FOR_SECONDS:
        try:
            channel.unary_unary("/any.Echo/Echo")(b"", timeout=CALL_SECONDS)
        except grpc.RpcError:
            continue
        return time.monotonic() - began
    return None


print("grpcio", importlib.metadata.version("grpcio"))
time_ms = ("grpc.keepalive_time_ms", 10_000)
cases = [
    [],
    [time_ms],
    [time_ms, ("grpc.keepalive_timeout_ms", 5_000)],
    [time_ms, ("grpc.http2.ping_timeout_ms", 5_000)],
]
channels = []
for options in cases:
    address = f"127.0.0.1:{listening.getsockname()[1]}"
    # Otherwise channels with equal options share a connection.
    options = [*options, ("grpc.use_local_subchannel_pool", 1)]
    channels.append(grpc.insecure_channel(address, options=options))
    channels[-1].unary_unary("/any.Echo/Echo")(b"", timeout=CALL_SECONDS)
print("from here on these connections are dead; new ones work")
dead.update(open_sockets)
with ThreadPoolExecutor(len(cases)) as threads:
    found = list(threads.map(seconds_until_answered, channels))
for options, seconds in zip(cases, found):
    named = ", ".join(f"{name}={value}" for name, value in options) or "no options"
    after = f"after {seconds:.0f} s" if seconds else f"not within {ASKED_FOR_SECONDS} s"
    print(f"{named}: another connection {after}")
sys.stdout.flush()
without, with_default, with_timeout, with_ping_timeout = found
sys.exit(
    not (
        without is None
        and with_default and with_default > 60
        and with_timeout and with_timeout > 60
        and with_ping_timeout and with_ping_timeout < 30
    )
)
END
if timeout 300 "$work/venv/bin/python" "$work/try.py"; then
    echo "as described: the keepalive timeout changes nothing, and a deadline no connection"
else
    echo "changed: see above" >&2
    exit 1
fi
