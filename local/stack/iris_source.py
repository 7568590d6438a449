"""Where a run gets its messages: from the live feed, or from a simulator."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from bridge import settings
from local.pubsub.topics import TOPIC

# Any of these asks for the live feed; everything that it needs must then be set.
CREDENTIALS = {"IRIS_CLIENT_ID", "IRIS_CLIENT_SECRET", "IRIS_SETTINGS_FILE"}
# With these the bridge's own check asks for none. A connection string would do, too,
# but checking one loads the SDK: 10 MB of memory, in a process that reads no queue.
ANY_SIMULATOR = {
    "IRIS_CONNECTION_STRING": "",
    "IRIS_CLIENT_ID": "simulator",
    "IRIS_CLIENT_SECRET": "simulator",
    "IRIS_QUEUE_NAME": "simulator",
}


@dataclass(frozen=True)
class IrisSource:
    """What the user's settings say.

    Attributes:
        live: Whether the live feed is to be read.
        health_port: The port that the user gave for the bridge's health, if any.
    """

    live: bool
    health_port: int | None


def stale_addresses(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables of a simulator that a bridge of the live feed must not see: emptied.

    A shell that has loaded `make env` has them; an empty one counts as not set.
    """
    if not environment.get("IRIS_CONNECTION_STRING"):
        return {}
    return {"IRIS_CONNECTION_STRING": "", "IRIS_QUEUE_NAME": ""}


def read_source(
    environment: Mapping[str, str], folder: Path, *, has_samples: bool = False
) -> IrisSource:
    """Reads and checks the bridge's settings as the bridge will do.

    Args:
        environment: The process environment.
        folder: Where `.env` may be.
        has_samples: Whether the user names SAMPLES: these are to be replayed, whatever
            credentials there are.

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
    live = not has_samples and (bool(given & CREDENTIALS) or lone_queue)
    known = stale_addresses(environment) if live else ANY_SIMULATOR
    checked = settings.load({**environment, **known, "PUBSUB_TOPIC": TOPIC}, folder)
    port = checked.health_port if "HEALTH_PORT" in given else 0
    return IrisSource(live, port or None)
