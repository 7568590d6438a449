"""Left: messages that a run has published and not counted, and how to get them."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from local.pubsub.google_pubsub import IN_MEMORY

# IRIS keeps a message for three days.
QUEUE_KEEPS = timedelta(days=3)


def left_lines(summary: dict[str, Any], where: str) -> Iterator[str]:
    """What is left, a line each, with what to do.

    Args:
        summary: Of the run.
        where: Names the DATA folder in `make` commands; empty for the usual one.
    """
    if waiting := summary["waiting"]:
        yield (
            f"wait in Pub/Sub: {waiting:,} messages; `make run-local{where}` goes on "
            f"with them, or `make up{where}` and `make drain{where}`"
        )
    if lost := summary["lost"]:
        cause = IN_MEMORY if summary["pubsub"] == "google" else "a part was killed"
        again = _again(summary, where)
        yield f"published, but not counted: {lost:,} messages ({cause}); {again}"


def _again(summary: dict[str, Any], where: str) -> str:
    """How to get messages again that are lost here."""
    if not summary["live"]:
        return "the simulator does not send them again"
    start = datetime.fromisoformat(summary["started"])
    # Messages are read in their order: none that is missing is older than the oldest.
    waited_seconds = summary["delays"]["total"]["to_pubsub_seconds_max"]
    if waited_seconds is None:
        start -= QUEUE_KEEPS
    else:
        start -= timedelta(seconds=math.ceil(waited_seconds))
    span = f"FROM={start:%Y-%m-%dT%H:%MZ} TO={summary['finished']}"
    return (
        "while `make run-local` runs again, fetch them: "
        f"make backfill {span} MISSING=1{where}"
    )
