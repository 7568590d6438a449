#!/bin/sh
# azure-servicebus: peek_messages(sequence_number=0) on a receiver that has received.
#
# One expects: a look at the queue from its beginning, so also at messages that are locked,
# were abandoned, or were left by this receiver. 0 is the default, and below every number.
# What happens: 0 counts as "not given". The request asks for what follows the last message
# that this receiver has received or peeked, so that everything before it looks gone. With
# sequence_number=1 the request is the expected one.
# Tried with azure-servicebus 7.15.0, python-qpid-proton 0.40.0 as the queue, Python 3.11.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "azure-servicebus==7.15.0" "python-qpid-proton==0.40.0"
cat >"$work/one_message.py" <<'END'
"""A queue with one message, number 7; says from which number a client peeks."""

import sys
import uuid

from proton import Message, int32, symbol
from proton.handlers import MessagingHandler
from proton.reactor import Container

NUMBER = 7


class OneMessage(MessagingHandler):
    sent = False

    def on_start(self, event):
        event.container.listen(f"127.0.0.1:{sys.argv[1]}")
        print("listening", flush=True)

    def on_link_opening(self, event):
        event.link.source.copy(event.link.remote_source)
        event.link.target.copy(event.link.remote_target)
        event.link.snd_settle_mode = event.link.remote_snd_settle_mode
        event.link.rcv_settle_mode = event.link.remote_rcv_settle_mode

    def on_sendable(self, event):
        if self.sent or not event.link.source.address.endswith("/any"):
            return
        self.sent = True
        message = Message(b"{}", durable=True)
        message.annotations = {symbol("x-opt-sequence-number"): NUMBER}
        event.link.send(message, tag=uuid.uuid4().bytes)

    def on_message(self, event):
        status = 200
        if event.message.properties["operation"] == "com.microsoft:peek-message":
            status = 204  # nothing more
            print(event.message.body["from-sequence-number"], flush=True)
        link = event.connection.link_head(0)
        while not (link.is_sender and link.source.address == event.link.target.address):
            link = link.next(0)
        properties = {"statusCode": int32(status), "status-code": int32(status)}
        link.send(Message(correlation_id=event.message.id, properties=properties))


Container(OneMessage()).run()
END
cat >"$work/try.py" <<'END'
import importlib.metadata
import logging
import socket
import subprocess
import sys

from azure.servicebus import ServiceBusClient

logging.disable(logging.CRITICAL)
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


def peeked_from(number):
    receiver.peek_messages(10, sequence_number=number, timeout=30)
    asked = int(queue.stdout.readline())
    print(f"peek_messages(10, sequence_number={number}) asks from {asked}")
    return asked


try:
    before = peeked_from(0)
    (message,) = receiver.receive_messages(max_wait_time=30)
    print(f"received number {message.sequence_number}")
    after, explicit = peeked_from(0), peeked_from(1)
finally:
    queue.kill()
sys.exit((before, after, explicit) != (1, 8, 1))
END
if timeout 120 "$work/venv/bin/python" "$work/try.py" "$work/one_message.py"; then
    echo "as described: 0 goes on after the last message received"
else
    echo "changed: see above" >&2
    exit 1
fi
