"""The receive loop of Elexon's own client, without its processing of messages.

`python -m benchmarks.official_loop` reads the queue of IRIS_CONNECTION_STRING and
IRIS_QUEUE_NAME, as the bridge does, and runs until it is stopped. The receiver has the
SDK's defaults, as in github.com/elexon-data/iris-clients, python/client.py. The client
also parses and saves each message, so it is slower than this.
"""

import os

from azure.servicebus import ServiceBusClient


def main() -> None:
    """Receives and completes, one message after another."""
    connection_string = os.environ["IRIS_CONNECTION_STRING"]
    with (
        ServiceBusClient.from_connection_string(connection_string) as client,
        client.get_queue_receiver(os.environ["IRIS_QUEUE_NAME"]) as receiver,
    ):
        for message in receiver:
            receiver.complete_message(message)


if __name__ == "__main__":
    main()
