"""A proxy before a server, whose connections can die so that nobody sees it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK_BYTES = 65_536


class SilentProxy:
    """Passes bytes on; what it accepted before `fall_silent` then goes nowhere.

    Neither side is told: a dead connection looks like a slow one.

    Args:
        server: `HOST:PORT`.

    Attributes:
        host: Its own address, in the same form.
        accepted: How many connections it has had.
    """

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.accepted = 0
        self._dead: set[int] = set()
        self._is_silent = False
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self, *, for_new: bool = False) -> None:
        """All connections die, also those to come if `for_new`."""
        self._dead |= set(range(1, self.accepted + 1))
        self._is_silent = for_new

    def close(self) -> None:
        for each in (self._listening, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                client = self._listening.accept()[0]
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                self.accepted += 1
                for pair in ((client, server), (server, client)):
                    arguments = (self.accepted, *pair)
                    threading.Thread(
                        target=self._pass_on, args=arguments, daemon=True
                    ).start()

    def _pass_on(
        self, number: int, source: socket.socket, target: socket.socket
    ) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                if not self._is_dead(number):
                    target.sendall(data)
        if not self._is_dead(number):
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR)

    def _is_dead(self, number: int) -> bool:
        if self._is_silent:
            self._dead.add(number)
        return number in self._dead


@contextmanager
def silent_proxy(server: str) -> Iterator[SilentProxy]:
    """Runs one before a server, named as `HOST:PORT`."""
    proxy = SilentProxy(server)
    try:
        yield proxy
    finally:
        proxy.close()
