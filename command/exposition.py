"""Exposition: what a process counts, in the text that Prometheus reads, and a server.

For parts whose images have no client library of Prometheus. The form is that of
https://prometheus.io/docs/instrumenting/exposition_formats/ (read 2026-11-29).
"""

import os
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from command.callers import names_of, refusal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PROCESS = Path("/proc/self")
# Of /proc/self/stat, from the third on (proc(5)).
USER_TICKS, SYSTEM_TICKS, START_TICKS, RESIDENT_PAGES = 11, 12, 19, 21


class Metrics:
    """Counters and gauges of one process, by name without its prefix."""

    def __init__(
        self, prefix: str, counters: Mapping[str, str], gauges: Mapping[str, str]
    ) -> None:
        """Starts all of them at 0.

        Args:
            prefix: Of all names, such as `iris_pipeline_`.
            counters: What each counts, by name; they only rise.
            gauges: What each is.
        """
        self._prefix = prefix
        self._kinds = {**dict.fromkeys(counters, "counter")}
        self._kinds |= dict.fromkeys(gauges, "gauge")
        self._texts = {**counters, **gauges}
        self._values: dict[str, float] = dict.fromkeys(self._texts, 0.0)
        self._lock = threading.Lock()

    def add(self, name: str, amount: float = 1.0) -> None:
        """Raises a counter."""
        with self._lock:
            self._values[name] += amount

    def set(self, name: str, value: float) -> None:
        """Sets a gauge."""
        with self._lock:
            self._values[name] = value

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes, with what the process takes."""
        lines = []
        for name, value in self._values.items():
            kind = self._kinds[name]
            shown = f"{self._prefix}{name}{'_total' if kind == 'counter' else ''}"
            lines += _sample(shown, kind, self._texts[name], value)
        for shown, kind, text, value in _process():
            lines += _sample(shown, kind, text, value)
        return "".join(f"{line}\n" for line in lines).encode()


def _sample(name: str, kind: str, text: str, value: float) -> list[str]:
    shown = int(value) if value == int(value) else value
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", f"{name} {shown!r}"]


def _process() -> list[tuple[str, str, str, float]]:
    """What the process takes, under the names of all client libraries; Linux only."""
    try:
        words = (PROCESS / "stat").read_text().rpartition(")")[2].split()
        files = sum(1 for _ in (PROCESS / "fd").iterdir())
    except OSError:
        return []
    ticks = os.sysconf("SC_CLK_TCK")
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    seconds = (int(words[USER_TICKS]) + int(words[SYSTEM_TICKS])) / ticks
    memory = int(words[RESIDENT_PAGES]) * os.sysconf("SC_PAGE_SIZE")
    start = booted + int(words[START_TICKS]) / ticks
    return [
        ("process_cpu_seconds_total", "counter", "Processor time", seconds),
        ("process_resident_memory_bytes", "gauge", "Memory", memory),
        ("process_open_fds", "gauge", "Open files", files),
        ("process_start_time_seconds", "gauge", "When it started", start),
    ]


def serve(metrics: Metrics, host: str, port: int) -> int:
    """Serves /metrics in a thread that ends with the process; returns the port.

    Args:
        metrics: What is served.
        host: The address to listen on.
        port: 0 for any free one.

    Raises:
        OSError: It cannot listen there.
    """
    names = names_of(host)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if reason := refusal("GET", self.headers.get, names):
                self._answer(403, reason.encode())
            elif self.path.partition("?")[0] != "/metrics":
                self._answer(404, b"only /metrics is here")
            else:
                self._answer(200, metrics.exposition())

        def _answer(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """A line for each scrape would fill the log."""

    server = ThreadingHTTPServer((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return int(server.server_address[1])
