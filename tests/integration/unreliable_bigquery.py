"""A local BigQuery behind a proxy with faults."""

import http.client
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.integration.bigquery_fixture import connected


class Fault(NamedTuple):
    """What happens to one request.

    Attributes:
        request: A pattern for `METHOD /path`.
        reason: BigQuery's reason of an error; None for no answer at all.
        lasts: Whether it happens to every request, until the fault is removed.
        status: The HTTP status of the error.
        body: A part of the body: that of a load names its table.
        is_of_job: Whether the upload is accepted, and its job then ends with the error.
    """

    request: str
    reason: str | None = None
    lasts: bool = False
    status: int = HTTPStatus.FORBIDDEN
    body: str = ""
    is_of_job: bool = False


class _Server(ThreadingHTTPServer):
    def __init__(self, upstream: str, faults: list[Fault]) -> None:
        super().__init__(("127.0.0.1", 0), _Proxy)
        self.upstream = urlsplit(upstream).netloc
        self.faults = faults
        self.ended = threading.Event()
        self.lock = threading.Lock()

    def fault_of(self, request: str, body: bytes) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                is_meant = fault.body.encode() in body
                if is_meant and re.search(fault.request, request):
                    if not fault.lasts:
                        self.faults.remove(fault)
                    return fault
        return None


class _Proxy(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        fault = self.server.fault_of(f"{self.command} {self.path}", body)
        if fault is None:
            self._answer(*self._asked(body))
        elif fault.reason is None:
            self.server.ended.wait()
        elif fault.is_of_job:
            self._answer(HTTPStatus.OK, {}, json.dumps(_failed_job(fault)).encode())
        else:
            error = {"code": fault.status, "errors": [{"reason": fault.reason}]}
            answer = json.dumps({"error": error}).encode()
            self._answer(fault.status, {}, answer)

    do_GET = do_PUT = do_DELETE = do_POST

    def _asked(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection(self.server.upstream)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        kept = ("content-type", "content-encoding", "location")
        headers = {k: v for k, v in answer.getheaders() if k.lower() in kept}
        return answer.status, headers, answer.read()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _failed_job(fault: Fault) -> dict[str, Any]:
    """A load job that has ended with an error."""
    error = {"reason": fault.reason, "message": "by the test"}
    return {
        "kind": "bigquery#job",
        "jobReference": {"projectId": "gb-iris", "jobId": "failed", "location": "EU"},
        "configuration": {"jobType": "LOAD", "load": {}},
        "status": {"state": "DONE", "errorResult": error, "errors": [error]},
    }


@contextmanager
def failing(host: str, *faults: Fault) -> Iterator[list[Fault]]:
    """Makes the product meet these faults; yields those that remain."""
    server = _Server(host, list(faults))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with connected(f"http://127.0.0.1:{server.server_port}"):
            yield server.faults
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
