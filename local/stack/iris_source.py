"""Where a run takes its messages from: the live feed, or a simulator."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from bridge import settings
from command.usage import UsageError
from local.pubsub.topics import TOPIC

# Any of these says that the live feed is wanted; all that it needs must then be there.
CREDENTIALS = {"IRIS_CLIENT_ID", "IRIS_CLIENT_SECRET", "IRIS_SETTINGS_FILE"}
# Lets the bridge's own check pass over the credentials that a simulator needs not.
ANY_SIMULATOR = (
    "Endpoint=sb://localhost;SharedAccessKeyName=simulator;SharedAccessKey=simulator"
)


@dataclass(frozen=True)
class IrisSource:
    """What the user's settings say.

    Attributes:
        live: Whether there are credentials of the live feed.
        health_port: The port that the user gave for the bridge's health, if any.
    """

    live: bool
    health_port: int | None


def read_source(environment: Mapping[str, str], folder: Path) -> IrisSource:
    """Reads the bridge's settings as the bridge does, and checks them beforehand.

    Args:
        environment: The process environment.
        folder: Where `.env` may lie.

    Raises:
        UsageError: A setting is half set or not valid.
    """
    given = {
        name
        for values in (environment, dotenv_values(folder / ".env"))
        for name, text in values.items()
        if text and text.strip()
    }
    # The addresses of `make env` name a queue too, but beside a connection string.
    lone_queue = "IRIS_QUEUE_NAME" in given and "IRIS_CONNECTION_STRING" not in given
    live = bool(given & CREDENTIALS) or lone_queue
    known = {
        "PUBSUB_TOPIC": TOPIC,
        "IRIS_CONNECTION_STRING": "" if live else ANY_SIMULATOR,
    }
    try:
        checked = settings.load({**environment, **known}, folder)
    except UsageError as error:
        raise UsageError(str(error)) from None
    port = checked.health_port if "HEALTH_PORT" in given else 0
    return IrisSource(live, port or None)
