"""The Storage Write API of a local BigQuery behind a proxy that refuses requests."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

APPEND = "/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows"


class _Proxy(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types
    """Passes bytes on, but for appends that meet a refusal."""

    def __init__(self, upstream: grpc.Channel, refusals: list[grpc.StatusCode]) -> None:
        self.upstream, self.refusals = upstream, refusals
        self.lock = threading.Lock()

    def service(self, details: Any) -> Any:
        def passed(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
            if details.method == APPEND and (refusal := self._refusal()):
                context.abort(refusal, "by the test")
            yield from self.upstream.stream_stream(details.method)(
                requests, metadata=details.invocation_metadata
            )

        # On the wire, one request and answer is a stream of one.
        return grpc.stream_stream_rpc_method_handler(passed)

    def _refusal(self) -> grpc.StatusCode | None:
        with self.lock:
            return self.refusals.pop(0) if self.refusals else None


@contextmanager
def refusing(port: int, *refusals: grpc.StatusCode) -> Iterator[tuple[int, list[Any]]]:
    """Refuses that many appends, one after another.

    Yields the port of the proxy, and the refusals that remain.
    """
    left = list(refusals)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        server = grpc.server(ThreadPoolExecutor(8))
        server.add_generic_rpc_handlers([_Proxy(channel, left)])
        chosen = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield chosen, left
        finally:
            server.stop(None).wait()
