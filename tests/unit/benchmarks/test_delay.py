"""The delaying proxy: nothing lost or reordered, nothing early, bandwidth untouched."""

import asyncio
import time

from benchmarks import delay

ROUND_TRIP_SECONDS = 0.1
CONTENT = bytes(range(256)) * 20_000


async def _echoed(content: bytes) -> tuple[bytes, float]:
    """What an echo server behind the proxy sends back, and after how many seconds."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(2**16):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, delay.proxy(port, ROUND_TRIP_SECONDS) as far_port:
        reader, writer = await asyncio.open_connection("127.0.0.1", far_port)
        started = time.monotonic()
        writer.write(content)
        writer.write_eof()
        came = await reader.read()
        writer.close()
        return came, time.monotonic() - started


def test_bytes_arrive_whole_in_order_and_then_the_end():
    came, _ = asyncio.run(_echoed(CONTENT))
    assert came == CONTENT


def test_an_answer_takes_a_round_trip():
    _, seconds = asyncio.run(_echoed(b"x"))
    assert seconds >= ROUND_TRIP_SECONDS
