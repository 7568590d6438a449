"""A local HTTP server that behaves like Elexon's archive and API, faults included."""

import base64
import contextlib
import hashlib
import json
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

CONTAINER = "/iris-archive"
API = "/bmrs/api/v1"
CONDITION = re.compile(r"\"(\w+)\" (=|>=|<=|>|<) '((?:[^']|'')*)'")
OPERATORS = {
    "=": lambda a, b: a == b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


@dataclass
class Stored:
    """A blob: its body, and its UploadTime."""

    body: bytes
    uploaded: str


class Asked(NamedTuple):
    """One request, and when it came."""

    path: str
    headers: dict[str, str]
    seconds: float


@dataclass
class Archive:
    """What the server holds, how it misbehaves, and what it was asked.

    Attributes:
        blobs: By name, `data/<DATASET>/<message_id>`.
        faults: For each path what happens to the next requests, in order:
            a status, `(status, headers)`, "truncate" or "drop".
        every: What happens to every request from now on.
        api: Records by dataset, each with the time that its endpoint filters by.
    """

    page_blobs: int = 100
    blobs: dict[str, Stored] = field(default_factory=dict)
    faults: defaultdict[str, list[Any]] = field(
        default_factory=lambda: defaultdict(list)
    )
    every: Any = None
    ignores_range: bool = False
    api: dict[str, list[tuple[str, dict[str, Any]]]] = field(default_factory=dict)
    api_max_hours: float = 24.0
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    def put(self, dataset: str, message_id: str, body: bytes, uploaded: str) -> str:
        name = f"data/{dataset}/{message_id}"
        self.blobs[name] = Stored(body, uploaded)
        return f"{CONTAINER}/{name}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{CONTAINER}"

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}{API}"

    def fetches(self) -> Counter[str]:
        """How often each path was asked for."""
        return Counter(asked.path for asked in self.asked)

    def start(self) -> None:
        handler = type("BoundHandler", (Handler,), {"archive": self})
        self.server = Server(("127.0.0.1", self.port), handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.server.drop_all()
        self.thread.join()


class Server(ThreadingHTTPServer):
    """A server whose connections end with it."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        self.connections: set[Any] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def drop_all(self) -> None:
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(2)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is not worth a line."""


class Handler(BaseHTTPRequestHandler):
    """Answers as Azure Blob Storage behind the CDN does, and as the Insights API."""

    protocol_version = "HTTP/1.1"
    archive: Archive

    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        query = {key: texts[0] for key, texts in parse_qs(parts.query).items()}
        self.archive.asked.append(Asked(path, dict(self.headers), time.monotonic()))
        waiting = self.archive.faults[path]
        fault = waiting.pop(0) if waiting else self.archive.every
        if "x-ms-range" in self.headers:
            self.refuse(400, "InvalidHeaderValue")
        elif isinstance(fault, int):
            self.refuse(fault, "InternalError")
        elif isinstance(fault, tuple):
            self.refuse(fault[0], "ServerBusy", fault[1])
        elif fault == "drop":
            self.close_connection = True
        elif path.startswith(API):
            self.answer_api(path, query)
        elif query.get("comp") == "blobs" and query.get("restype") == "container":
            self.answer_page(query)
        else:
            self.answer_blob(path, fault)

    def answer_page(self, query: dict[str, str]) -> None:
        """Find Blobs by Tags in Container."""
        conditions = query.get("where", "").split(" AND ")
        found = [CONDITION.fullmatch(text) for text in conditions]
        if not all(found):
            self.refuse(400, "InvalidQueryParameterValue")
            return
        names = [
            name
            for name, blob in sorted(self.archive.blobs.items())
            if all(holds(match, name, blob) for match in found if match)
        ]
        start = int(query.get("marker", "0!0").split("!")[1])
        end = start + self.archive.page_blobs
        items = "".join(
            f"<Blob><Name>{escape(name)}</Name>"
            f"<ContainerName>iris-archive</ContainerName><TagSet><Tag>"
            f"<Key>UploadTime</Key><Value>{self.archive.blobs[name].uploaded}</Value>"
            f"</Tag></TagSet></Blob>"
            for name in names[start:end]
        )
        marker = f"2!{end}" if end < len(names) else ""
        page = (
            '\ufeff<?xml version="1.0" encoding="utf-8"?>'
            '<EnumerationResults ServiceEndpoint="http://a/" ContainerName="b">'
            f"<Where>{escape(query['where'])}</Where><Blobs>{items}</Blobs>"
            f"<NextMarker>{marker}</NextMarker></EnumerationResults>"
        )
        self.answer(200, page.encode(), {"Content-Type": "application/xml"})

    def answer_blob(self, path: str, fault: str | None) -> None:
        blob = self.archive.blobs.get(path.removeprefix(f"{CONTAINER}/"))
        if blob is None:
            self.refuse(404, "BlobNotFound")
            return
        digest = hashlib.md5(blob.body).digest()
        headers = {"ETag": f'"{digest.hex()}"', "Accept-Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        body, status = blob.body, 200
        if wanted and not self.archive.ignores_range:
            start, status = int(wanted[1]), 206
            end = len(blob.body) - 1
            headers["Content-Range"] = f"bytes {start}-{end}/{len(blob.body)}"
            body = blob.body[start:]
        else:
            headers["Content-MD5"] = base64.b64encode(digest).decode()
        self.answer(status, body, headers, cut=fault == "truncate")

    def answer_api(self, path: str, query: dict[str, str]) -> None:
        dataset = path.removeprefix(f"{API}/datasets/").removesuffix("/stream")
        times = [text for key, text in query.items() if key != "format"]
        if dataset not in self.archive.api or len(times) != 2:
            self.refuse(404, "NotFound")
            return
        hours = (seconds(times[1]) - seconds(times[0])) / 3600
        if hours > self.archive.api_max_hours:
            limit = f"{self.archive.api_max_hours:g} hours"
            text = (
                f"The date range between From and To inclusive must not exceed {limit}"
            )
            self.answer(400, json.dumps({"errors": {"": [text]}}).encode(), {})
            return
        records = [
            record
            for moment, record in self.archive.api[dataset]
            if times[0] <= moment <= times[1]  # inclusive, as the API is
        ]
        self.answer(200, json.dumps(records).encode(), {})

    def refuse(
        self, status: int, code: str, headers: dict[str, str] | None = None
    ) -> None:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>"
        self.answer(status, body.encode(), headers or {})

    def answer(
        self, status: int, body: bytes, headers: dict[str, str], *, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut


def holds(match: re.Match[str], name: str, blob: Stored) -> bool:
    tags = {"Dataset": name.split("/")[1], "UploadTime": blob.uploaded}
    return bool(OPERATORS[match[2]](tags[match[1]], match[3].replace("''", "'")))


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@contextlib.contextmanager
def archive_server(**options: Any) -> Iterator[Archive]:
    archive = Archive(**options)
    archive.start()
    try:
        yield archive
    finally:
        archive.stop()


def fill(archive: Archive, samples: list[Path], uploaded: str) -> dict[str, bytes]:
    """Puts files `<DATASET>/<message_id>` into the archive; returns bodies by id."""
    bodies = {}
    for path in samples:
        body = bodies[path.name] = path.read_bytes()
        archive.put(path.parent.name, path.name, body, uploaded)
    return bodies
