"""Metrics: what a drain counts, for `--metrics_port`."""

import time
from collections.abc import Mapping

from command import exposition
from command.usage import UsageError
from pipeline.steps.ledger import COUNTS

# For probes and scrapes of the same machine; a job of the cloud has none.
HOST = "127.0.0.1"
METRICS = exposition.Metrics(
    "iris_pipeline_",
    {
        **{name: f"The ledger's {name}, since the start" for name in COUNTS},
        "rounds": "Rounds that were committed",
        "round_failures": "Rounds that were not; their messages come again",
    },
    {
        "last_round_timestamp_seconds": "When the last round was committed; 0: none",
        "last_round_seconds": "How long it took",
        "last_read_timestamp_seconds": "When all that waited had been read; 0: never",
        "waiting_tables": "Tables that accept no rows at the moment",
    },
)


def committed(counts: Mapping[str, int], seconds: float) -> None:
    """Notes a round that was committed."""
    METRICS.add("rounds")
    for name in COUNTS:
        METRICS.add(name, counts.get(name, 0))
    METRICS.set("last_round_timestamp_seconds", time.time())
    METRICS.set("last_round_seconds", seconds)


def caught_up(waiting_tables: int) -> None:
    """Notes that all that waited has been read."""
    METRICS.set("last_read_timestamp_seconds", time.time())
    METRICS.set("waiting_tables", waiting_tables)


def serve(port: int) -> None:
    """Serves them until the process ends.

    Raises:
        UsageError: The port cannot be used.
    """
    try:
        exposition.serve(METRICS, HOST, port)
    except OSError as error:
        raise UsageError(
            f"--metrics_port: cannot listen on {port}: {error.strerror}"
        ) from None
