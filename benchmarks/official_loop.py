"""The receive loop of Elexon's own client, without what it does to a message.

`python -m benchmarks.official_loop` takes the queue as the bridge does, from
IRIS_CONNECTION_STRING and IRIS_QUEUE_NAME, and runs until it is ended. The receiver has
the SDK's defaults, as there (github.com/elexon-data/iris-clients, python/client.py);
the client also parses and saves each message, so it is slower than this.
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
