"""Delay: a TCP proxy that puts a server on this machine far away.

Each direction holds every byte back for half the round trip, however many are under
way, so bandwidth stays what it is. What a slow reader does not take waits in memory.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from local.ports import LOOPBACK

CHUNK_BYTES = 2**18

# When a chunk is to go on, on the loop's clock, and the chunk; an empty one is the end.
Chunks = asyncio.Queue[tuple[float, bytes]]


@contextlib.asynccontextmanager
async def proxy(port: int, round_trip_seconds: float) -> AsyncIterator[int]:
    """Gives the port that leads to `port` with this round trip.

    The loop's timers have a resolution of a millisecond: a round trip takes up to two
    more.
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
    """Carries one connection, both ways, until both have ended."""
    there_reader, there_writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        await asyncio.gather(
            _carry(reader, there_writer, delay_seconds),
            _carry(there_reader, writer, delay_seconds),
        )
    finally:
        writer.close()
        there_writer.close()


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
        except OSError:  # cut, not closed: the other side sees an end
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
