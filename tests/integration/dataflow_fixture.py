"""Dataflow's REST API on this machine, as far as a submission needs it.

It keeps all requests, and answers as the service does
(https://cloud.google.com/dataflow/docs/reference/rest/v1b3/projects.locations.jobs).
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JOB_ID = "2026-05-08_00_00_00-1"


class Dataflow(ThreadingHTTPServer):
    """The service, with its requests: `(method, path, body)`."""

    def __init__(self) -> None:
        super().__init__(("localhost", 0), _Handler)
        self.requests: list[tuple[str, str, Any]] = []
        self.jobs: list[dict[str, str]] = []

    @property
    def address(self) -> str:
        """`http://localhost:PORT`: Beam uses TLS for any other host."""
        return f"http://localhost:{self.server_address[1]}"

    def sent(self, method: str, end: str) -> list[Any]:
        """The bodies of the requests with this end of the path."""
        return [b for m, p, b in self.requests if m == method and p.endswith(end)]

    def answer(self, method: str, path: str, body: Any) -> dict[str, Any]:
        """The service's answer to a request."""
        if path.endswith("flexTemplates:launch"):
            name = body["launchParameter"]["jobName"]
            return {"job": {"id": JOB_ID, "name": name}}
        if method == "POST" and path.endswith("/jobs"):
            job = {"id": JOB_ID, "name": body["name"]}
            self.jobs.append(job)
            return job
        if re.search(r"/jobs$", path):
            return {"jobs": self.jobs}
        return {"id": JOB_ID, "currentState": "JOB_STATE_RUNNING"}


class _Handler(BaseHTTPRequestHandler):
    server: Dataflow

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or "null")
        path = self.path.partition("?")[0]
        self.server.requests.append((self.command, path, body))
        text = json.dumps(self.server.answer(self.command, path, body)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = _answer

    def log_message(self, *_: Any) -> None:
        """Prints nothing: a test looks at `requests`."""


@contextmanager
def dataflow() -> Iterator[Dataflow]:
    """The service, while the context lasts."""
    server = Dataflow()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
