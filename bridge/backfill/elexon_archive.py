"""Elexon's archive: a public copy of every IRIS message. Pure functions.

It is an Azure Blob container with blobs `data/<DATASET>/<message_id>` and the tags
Dataset, Timestamp and UploadTime (elexon-data/insights-docs, docs/iris_archive.md). It
is listed by tags: "Find Blobs by Tags in Container" in Azure's REST reference.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import quote, unquote
from xml.parsers import expat

from bridge.span import Span, seconds_text

ARCHIVE_URL = "https://archive.data.elexon.co.uk/iris-archive"
SOURCE = "IRIS_ARCHIVE"
FOLDER = "data"

# One listing per day keeps each answer small for Azure's tag index, and publishes
# almost in the order of time.
WINDOW = timedelta(days=1)
# Without a version Azure may answer as in 2009, when there were no tags. From this
# version on, names that XML cannot contain are encoded.
LISTING_HEADERS = {"x-ms-version": "2021-12-02"}
# Azure returns up to 5,000 blobs per page, about 400 bytes each.
MAX_PAGE_BYTES = 16_000_000


class ListingError(ValueError):
    """An answer that is not a page of a listing by tags."""


class Blob(NamedTuple):
    """One message in the archive."""

    dataset: str
    message_id: str


@dataclass
class Page:
    """One page of a listing.

    Attributes:
        other_names: Names that are not of the form `data/<DATASET>/<message_id>`.
        marker: Identifies the next page; None on the last.
    """

    blobs: list[Blob] = field(default_factory=list)
    other_names: list[str] = field(default_factory=list)
    marker: str | None = None


def where(span: Span, dataset: str | None = None) -> str:
    """The condition for blobs uploaded in a span, of one dataset or of all."""
    conditions = [
        f"\"UploadTime\" >= '{seconds_text(span.start)}'",
        f"\"UploadTime\" < '{seconds_text(span.end)}'",
    ]
    if dataset is not None:
        escaped = dataset.replace("'", "''")
        conditions.insert(0, f"\"Dataset\" = '{escaped}'")
    return " AND ".join(conditions)


def listing_url(archive: str, condition: str, marker: str | None = None) -> str:
    """The address of one page of a listing."""
    url = f"{archive}?comp=blobs&restype=container&where={quote(condition, safe='')}"
    return f"{url}&marker={quote(marker, safe='')}" if marker else url


def blob_url(archive: str, blob: Blob) -> str:
    """The address of a blob; its name cannot leave its folder."""
    dataset, message_id = quote(blob.dataset, safe=""), quote(blob.message_id, safe="")
    return f"{archive}/{FOLDER}/{dataset}/{message_id}"


def parse_name(name: str) -> Blob | None:
    """The blob with this name; None if the name does not have the archive's form."""
    match name.split("/"):
        case [folder, dataset, message_id] if folder == FOLDER:
            parts = (dataset, message_id)
            if all(part not in ("", ".", "..") for part in parts):
                return Blob(dataset, message_id)
    return None


def parse_page(body: bytes) -> Page:
    """Reads a page of a listing.

    A document type is refused, so that no entity is ever expanded; Azure sends none.

    Raises:
        ListingError: The answer is not such a page.
    """
    reader = _PageReader()
    try:
        reader.parser.Parse(body, True)
    except expat.ExpatError as error:
        raise ListingError(f"the listing is not XML: {error}") from None
    if not reader.is_listing:
        raise ListingError("the answer is not a listing of blobs")
    return reader.page


def error_code(body: bytes) -> str:
    """The code in an error of Azure, `<Code>X</Code>`; empty if there is none."""
    _, found, rest = body[:10_000].partition(b"<Code>")
    code = rest.partition(b"</Code>")[0] if found else b""
    text = code.decode(errors="replace")
    return text if text.isalnum() and len(text) <= 60 else ""


class _PageReader:
    """Fills a page from the events of expat."""

    def __init__(self) -> None:
        self.page = Page()
        self.is_listing = False
        self._path: list[str] = []
        self._text: list[str] = []
        self._is_encoded = False
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        handlers: dict[str, Callable[..., None]] = {
            "StartDoctypeDeclHandler": self._refuse,
            "StartElementHandler": self._start,
            "EndElementHandler": self._end,
            "CharacterDataHandler": self._text.append,
        }
        for name, handler in handlers.items():
            setattr(self.parser, name, handler)

    def _refuse(self, *_: object) -> None:
        raise ListingError("the listing has a document type")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._path and name == "EnumerationResults":
            self.is_listing = True
        self._path.append(name)
        self._text.clear()
        # Names that XML cannot contain are percent-encoded (since version 2021-02-12).
        self._is_encoded = attributes.get("Encoded") == "true"

    def _end(self, name: str) -> None:
        text = "".join(self._text)
        path = self._path[1:]
        if path == ["Blobs", "Blob", "Name"]:
            self._add(unquote(text) if self._is_encoded else text)
        elif path == ["NextMarker"]:
            self.page.marker = text or None
        self._path.pop()
        self._text.clear()

    def _add(self, name: str) -> None:
        blob = parse_name(name)
        if blob:
            self.page.blobs.append(blob)
        else:
            self.page.other_names.append(name)
