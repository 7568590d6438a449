#!/bin/sh
# azure-servicebus and a connection whose other end no longer answers.
#
# One expects: a receive on a dead connection raises after some tries or heartbeats, so that
# a loop with a `try` around it opens a new one.
# What happens: each receive returns an empty list after its waiting time, as from an empty
# queue, for as long as one asks. The client opens AMQP without an idle timeout, so that it
# asks the other end for no heartbeats and misses none. A request that must be answered, such
# as `peek_messages`, raises OperationTimeoutError.
# Tried with azure-servicebus 7.15.0, python-qpid-proton 0.40.0 as the other end, Python 3.11.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "azure-servicebus==7.15.0" "python-qpid-proton==0.40.0"
cat >"$work/empty_queue.py" <<'END'
"""An empty queue: accepts any token and any link, and has no message."""

import sys

from proton import Message, int32
from proton.handlers import MessagingHandler
from proton.reactor import Container


class EmptyQueue(MessagingHandler):
    def on_start(self, event):
        event.container.listen(f"127.0.0.1:{sys.argv[1]}")
        print("listening", flush=True)

    def on_connection_opening(self, event):
        idle = event.transport.remote_idle_timeout
        print(f"idle timeout of the client: {idle or 'none'}", flush=True)

    def on_link_opening(self, event):
        event.link.source.copy(event.link.remote_source)
        event.link.target.copy(event.link.remote_target)

    def on_message(self, event):
        if event.link.target.address != "$cbs":
            return
        links = event.connection.link_head(0), event.link
        while links[0] and not links[0].is_sender:
            links = links[0].next(0), event.link
        answer = Message(
            correlation_id=event.message.id,
            properties={"status-code": int32(200), "status-description": "OK"},
        )
        links[0].send(answer)


Container(EmptyQueue()).run()
END
cat >"$work/try.py" <<'END'
import importlib.metadata
import logging
import signal
import socket
import subprocess
import sys
import time

from azure.servicebus import ServiceBusClient
from azure.servicebus.exceptions import OperationTimeoutError

logging.disable(logging.CRITICAL)
ASKED_FOR_SECONDS = 60
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
print("azure-servicebus", importlib.metadata.version("azure-servicebus"))
command = [sys.executable, sys.argv[1], str(port)]
queue = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
queue.stdout.readline()
client = ServiceBusClient.from_connection_string(
    f"Endpoint=sb://localhost:{port};SharedAccessKeyName=any;SharedAccessKey=any;"
    "UseDevelopmentEmulator=true;",
    retry_total=0,
)
receiver = client.get_queue_receiver("any")
found = receiver.receive_messages(max_wait_time=2)
idle = queue.stdout.readline().strip()
print(idle)
print(f"an empty queue: {found}")
queue.send_signal(signal.SIGSTOP)
print("from here on the other end is frozen")
end, answers = time.monotonic() + ASKED_FOR_SECONDS, []
while time.monotonic() < end:
    answers.append(receiver.receive_messages(max_wait_time=2))
print(f"{len(answers)} receives in {ASKED_FOR_SECONDS} s: {answers[0]} each, no error")
try:
    receiver.peek_messages(1, timeout=5)
    asked = "answered"
except OperationTimeoutError as error:
    asked = type(error).__name__
print(f"peek_messages: {asked}")
queue.kill()
silent = not any(answers) and len(answers) > ASKED_FOR_SECONDS / 3
sys.stdout.flush()
sys.exit(not (silent and idle.endswith("none") and asked == "OperationTimeoutError"))
END
if timeout 300 "$work/venv/bin/python" "$work/try.py" "$work/empty_queue.py"; then
    echo "as described: a dead connection looks like an empty queue"
else
    echo "changed: see above" >&2
    exit 1
fi
