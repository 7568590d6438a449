"""Memory that goes back to the machine."""

import ctypes
import sys
from pathlib import Path

import pytest

from command import memory
from command.memory import give_back

PAGES = Path("/proc/self/statm")
BLOCK_BYTES, BLOCKS = 60_000, 2_000


def resident_bytes() -> int:
    return int(PAGES.read_text().split()[1]) * 4_096


@pytest.mark.skipif(sys.platform != "linux", reason="what is resident is told by Linux")
def test_what_is_free_between_what_is_in_use_goes_back():
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    if not hasattr(libc, "malloc_trim"):
        pytest.skip("not glibc: nothing is given back")
    blocks = [libc.malloc(BLOCK_BYTES) for _ in range(BLOCKS)]
    for block in blocks:
        ctypes.memset(block, 1, BLOCK_BYTES)
    most = resident_bytes()
    for block in blocks[:-1]:  # the last one holds the heap's end
        libc.free(block)
    give_back()
    left = resident_bytes()
    libc.free(blocks[-1])
    assert most - left > BLOCK_BYTES * BLOCKS / 2


def test_another_library_has_nothing_to_give_back(monkeypatch):
    memory._trim.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    give_back()
    memory._trim.cache_clear()
