"""Insights API: addresses in Elexon's REST API, by dataset and time. Pure functions.

Both ends of a range are inclusive there, so neighbouring slices share the records of
their border; identical records are dropped downstream.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

from bridge.span import Span, compact_text, seconds_text

API_URL = "https://data.elexon.co.uk/bmrs/api/v1"
SOURCE = "INSIGHTS_API"
# How it refuses a range: "The date range between From and To inclusive must not exceed
# 1 hour", with HTTP 400; the length differs from dataset to dataset.
LENGTH_WORDS = b"must not exceed"
# A longer answer is asked for in halves: some are in memory at once, and a message
# should not keep one worker of the pipeline busy for long.
MAX_ANSWER_BYTES = 25_000_000


@dataclass(frozen=True)
class Endpoint:
    """Where a dataset is to be had.

    Attributes:
        path: The dataset's name in the API.
        start: The query parameter of the range's start, `end` that of its end.
        slice_hours: The longest range to ask for.
    """

    path: str
    start: str
    end: str
    slice_hours: int


@dataclass(frozen=True)
class Slice:
    """One question to the API; its answer becomes one message."""

    dataset: str
    span: Span

    @property
    def message_id(self) -> str:
        """The same for the same question."""
        start, end = compact_text(self.span.start), compact_text(self.span.end)
        return f"API_{self.dataset}_{start}_{end}"

    def halves(self) -> list["Slice"]:
        """Two questions for this one; none if it cannot be split."""
        return [Slice(self.dataset, half) for half in self.span.halves() or ()]


@cache
def endpoints() -> dict[str, Endpoint]:
    """Every dataset that the API gives in IRIS's form, by its IRIS name."""
    content = json.loads(Path(__file__).with_suffix(".json").read_text())
    return {
        dataset: Endpoint(
            entry["path"], entry["from"], entry["to"], entry["slice_hours"]
        )
        for dataset, entry in content["endpoints"].items()
    }


def slices(dataset: str, span: Span) -> Iterator[Slice]:
    """The questions that cover a span of a dataset, in the order of time."""
    length = timedelta(hours=endpoints()[dataset].slice_hours)
    return (Slice(dataset, piece) for piece in span.pieces(length))


def slice_url(api: str, question: Slice) -> str:
    """The address of a question's answer."""
    endpoint = endpoints()[question.dataset]
    query = {
        endpoint.start: seconds_text(question.span.start),
        endpoint.end: seconds_text(question.span.end),
        "format": "json",
    }
    return f"{api}/datasets/{endpoint.path}/stream?{urlencode(query)}"


def is_empty(body: bytes) -> bool:
    """Whether an answer holds no record."""
    return b"".join(body[:100].split()) in (b"", b"[]")
