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
# The API refuses a long range with HTTP 400: "The date range between From and To
# inclusive must not exceed 1 hour". The limit differs from dataset to dataset.
TOO_LONG_TEXT = b"must not exceed"
# A larger answer is requested in halves: several are in memory at once, and a message
# should not keep one worker of the pipeline busy for long.
MAX_ANSWER_BYTES = 25_000_000
# An answer without records has its metadata only.
MAX_EMPTY_BYTES = 10_000


@dataclass(frozen=True)
class Endpoint:
    """Where the API has a dataset.

    Attributes:
        path: The dataset's name in the API.
        start: The query parameter for the start of the range.
        end: The query parameter for its end.
        slice_hours: The longest range of one request.
    """

    path: str
    start: str
    end: str
    slice_hours: int


@dataclass(frozen=True)
class Slice:
    """A range of one dataset; the answer of the API becomes one message."""

    dataset: str
    span: Span

    @property
    def message_id(self) -> str:
        """The same for the same slice."""
        start, end = compact_text(self.span.start), compact_text(self.span.end)
        return f"API_{self.dataset}_{start}_{end}"

    def halves(self) -> list["Slice"]:
        """Two slices for this one; none if it cannot be split."""
        return [Slice(self.dataset, half) for half in self.span.halves() or ()]


@cache
def endpoints() -> dict[str, Endpoint]:
    """Every dataset that the API has in the form of IRIS, by its IRIS name."""
    content = json.loads(Path(__file__).with_suffix(".json").read_text())
    return {
        dataset: Endpoint(
            entry["path"], entry["from"], entry["to"], entry["slice_hours"]
        )
        for dataset, entry in content["endpoints"].items()
    }


def slices(dataset: str, span: Span) -> Iterator[Slice]:
    """The slices that cover a span of a dataset, in the order of time."""
    length = timedelta(hours=endpoints()[dataset].slice_hours)
    return (Slice(dataset, piece) for piece in span.pieces(length))


def slice_url(api: str, part: Slice) -> str:
    """The address of a slice."""
    endpoint = endpoints()[part.dataset]
    query = {
        endpoint.start: seconds_text(part.span.start),
        endpoint.end: seconds_text(part.span.end),
        "format": "json",
    }
    return f"{api}/datasets/{endpoint.path}/stream?{urlencode(query)}"


def is_empty(body: bytes) -> bool:
    """Whether an answer has no record: `[]`, or `{"data": []}` with its metadata."""
    if not body.lstrip().startswith(b"{"):
        return b"".join(body[:100].split()) in (b"", b"[]")
    if len(body) > MAX_EMPTY_BYTES:
        return False
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return bool(answer.keys() <= {"metadata", "data"} and answer.get("data") == [])
