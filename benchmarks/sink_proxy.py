"""A proxy before the local BigQuery that counts requests and can fail one of them."""

import http.client
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from local.ports import LOOPBACK

# Names of BigQuery's REST reference, by method and the end of the path.
_CALLS = (
    ("POST", r"/insertAll$", "insertAll"),
    ("GET", r"/tables/[^/]+$", "tables.get"),
    ("POST", r"/tables$", "tables.insert"),
    ("DELETE", r"/tables/[^/]+$", "tables.delete"),
    ("GET", r"/(jobs|queries)/[^/]+$", "jobs.get"),
    ("PUT", r"/jobs$", "upload"),
)
# A job says in its configuration what it is; this name comes first.
_JOB = re.compile(rb'"(load|copy|query|extract)"\s*:\s*\{')
_KEPT_HEADERS = ("content-type", "content-encoding", "location")
_FORBIDDEN = {"code": 403, "errors": [{"reason": "accessDenied"}]}


class Fault(NamedTuple):
    """What becomes of the next request of a kind.

    Attributes:
        call: The kind, as `call_of` returns it.
        kind: BigQuery does the work and the answer is lost, or it answers 403.
    """

    call: str
    kind: Literal["lost", "forbidden"]


class Proxy(ThreadingHTTPServer):
    """Passes requests on.

    Attributes:
        calls: How many requests of each kind there were.
        fault: What becomes of one request; None once that has happened.
    """

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.calls: Counter[str] = Counter()
        self.fault: Fault | None = None
        self._lock = threading.Lock()

    @property
    def host(self) -> str:
        """Its address, `http://HOST:PORT`."""
        return f"http://{LOOPBACK}:{self.server_port}"

    def fault_of(self, call: str) -> str | None:
        """Counts a request, and returns the kind of its fault."""
        with self._lock:
            self.calls[call] += 1
            if self.fault is None or self.fault.call != call:
                return None
            kind, self.fault = self.fault.kind, None
            return kind


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        fault = self.server.fault_of(call_of(self.command, self.path, body))
        if fault == "forbidden":
            answer = json.dumps({"error": _FORBIDDEN}).encode()
            self._answer(HTTPStatus.FORBIDDEN, {}, answer)
            return
        upstream = http.client.HTTPConnection(self.server.upstream)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            found = upstream.getresponse()
            content = found.read()
        finally:
            upstream.close()
        if fault != "lost":
            self._answer(found.status, dict(found.getheaders()), content)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() in _KEPT_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def call_of(method: str, path: str, body: bytes) -> str:
    """What a request asks for: `tables.get`, `jobs.insert (load)`, ..."""
    path = urlsplit(path).path
    for known, pattern, call in _CALLS:
        if method == known and re.search(pattern, path):
            return call
    if path.endswith("/jobs") and (found := _JOB.search(body)):
        return f"jobs.insert ({found[1].decode()})"
    return f"{method} {path.rpartition('/')[2]}"


@contextmanager
def counting(upstream: str) -> Iterator[Proxy]:
    """A proxy to the server at `http://HOST:PORT`."""
    with Proxy(upstream) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
