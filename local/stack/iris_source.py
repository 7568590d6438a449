"""Where a run gets its messages: from the live feed, or from a simulator."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from bridge import settings
from local.pubsub.topics import TOPIC

# Any of these asks for the live feed; everything that it needs must then be set.
CREDENTIALS = {"IRIS_CLIENT_ID", "IRIS_CLIENT_SECRET", "IRIS_SETTINGS_FILE"}
# With it the bridge's own check does not ask for credentials.
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
    """Reads and checks the bridge's settings as the bridge will do.

    Args:
        environment: The process environment.
        folder: Where `.env` may be.

    Raises:
        UsageError: A setting is missing or not valid.
    """
    given = {
        name
        for values in (environment, dotenv_values(folder / ".env"))
        for name, text in values.items()
        if text and text.strip()
    }
    # `make env` names a queue too, but with a connection string.
    lone_queue = "IRIS_QUEUE_NAME" in given and "IRIS_CONNECTION_STRING" not in given
    live = bool(given & CREDENTIALS) or lone_queue
    known = {
        "PUBSUB_TOPIC": TOPIC,
        "IRIS_CONNECTION_STRING": "" if live else ANY_SIMULATOR,
    }
    checked = settings.load({**environment, **known}, folder)
    port = checked.health_port if "HEALTH_PORT" in given else 0
    return IrisSource(live, port or None)
