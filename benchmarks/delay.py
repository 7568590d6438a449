"""Delay: a TCP proxy that adds a round trip to a server on this machine.

Each direction delays every byte by half the round trip, and does not limit the bytes on
the way, so the bandwidth stays the same. Bytes for a slow reader wait in memory.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from local.ports import LOOPBACK

CHUNK_BYTES = 2**18

# When to send a chunk, on the loop's clock, and the chunk; an empty one is the end.
Chunks = asyncio.Queue[tuple[float, bytes]]


@contextlib.asynccontextmanager
async def proxy(port: int, round_trip_seconds: float) -> AsyncIterator[int]:
    """Yields the port that leads to `port` with this round trip.

    The loop's timers have a resolution of a millisecond, so a round trip may take up to
    two milliseconds longer.
    """
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await _connect(reader, writer, port, round_trip_seconds / 2)
        connections.discard(task)

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        ended = list(connections)
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)


async def _connect(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    port: int,
    delay_seconds: float,
) -> None:
    """Carries one connection in both directions, until both have ended."""
    server_reader, server_writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        await asyncio.gather(
            _carry(reader, server_writer, delay_seconds),
            _carry(server_reader, writer, delay_seconds),
        )
    finally:
        writer.close()
        server_writer.close()


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_seconds: float
) -> None:
    chunks: Chunks = asyncio.Queue()
    sending = asyncio.create_task(_send(chunks, writer))
    try:
        await _read(reader, chunks, delay_seconds)
        await sending
    finally:
        sending.cancel()


async def _read(
    reader: asyncio.StreamReader, chunks: Chunks, delay_seconds: float
) -> None:
    clock = asyncio.get_running_loop().time
    chunk = b"any"
    while chunk:
        try:
            chunk = await reader.read(CHUNK_BYTES)
        except OSError:  # cut, not closed: the other side gets an end
            chunk = b""
        chunks.put_nowait((clock() + delay_seconds, chunk))


async def _send(chunks: Chunks, writer: asyncio.StreamWriter) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        due, chunk = await chunks.get()
        if (wait_seconds := due - clock()) > 0:
            await asyncio.sleep(wait_seconds)
        if not chunk:
            writer.write_eof()  # the other direction goes on
            return
        writer.write(chunk)
        await writer.drain()
