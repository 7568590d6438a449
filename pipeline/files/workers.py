"""Workers: the processes that share the files of one run.

A dataset belongs to one worker: every worker finds all files, and leaves out the
messages of the others' datasets. So dedup, the load job of a table and its rows of the
ledger are in one process, as in a run without workers, and no worker waits for another.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from pipeline.core.decoding import coercer_of
from pipeline.registry import load_registry

# About two seconds of work: starting a worker takes some tenths of one.
BYTES_A_WORKER = 4_000_000


class Share(NamedTuple):
    """What belongs to one worker.

    Attributes:
        number: Which worker it is, from 0 on.
        of: How many there are.
    """

    number: int
    of: int

    @property
    def is_first(self) -> bool:
        return self.number == 0

    def has(self, dataset: str) -> bool:
        """Whether a dataset, by name, alias or unknown subject, belongs to it."""
        if self.of == 1:
            return True
        coercer = coercer_of(dataset)
        name = coercer.dataset.name if coercer else dataset
        place = _places().get(name)
        if place is None:
            place = zlib.crc32(name.encode(errors="surrogatepass"))
        return place % self.of == self.number


ALL = Share(0, 1)


@cache
def _places() -> dict[str, int]:
    return {name: place for place, name in enumerate(load_registry())}


class WorkerKilledError(Exception):
    """A worker ended before its work did."""


def cores() -> int:
    """The number of workers that this machine can run at once."""
    if sys.platform != "linux":  # elsewhere a process with libraries must not fork
        return 1
    return len(os.sched_getaffinity(0))


def worth(sizes: Iterable[int], most: int) -> int:
    """How many workers are worth starting.

    Args:
        sizes: Of the files, in bytes; read only as far as needed.
        most: The most that there may be.
    """
    total, count = 0, 1
    for size in sizes:
        if count >= most:
            break
        total += size
        count = 1 + total // BYTES_A_WORKER
    return min(count, most)


def run(work: Callable[[Share], Any], count: int) -> list[Any]:
    """Does the work in a number of processes, and returns their results.

    All of them end with this process, however that ends.

    Raises:
        WorkerKilledError: One of them was ended from outside; the others have ended
            their work.
        Exception: What one of them raised, after all have ended.
    """
    context = multiprocessing.get_context("fork")
    alive, ours = context.Pipe(duplex=False)
    children = []
    for number in range(count):
        answer, theirs = context.Pipe(duplex=False)
        child = context.Process(
            target=_work,
            args=(work, Share(number, count), theirs, alive, ours),
            name=f"worker {number + 1}",
            daemon=True,
        )
        child.start()
        theirs.close()
        children.append((child, answer))
    outcomes = [_outcome(child, answer) for child, answer in children]
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return outcomes


def _outcome(child: Any, answer: Connection) -> Any:
    """What a worker returned, or the error with which it ended."""
    result: Any = None
    with contextlib.suppress(EOFError):
        result = answer.recv()
    child.join()
    if child.exitcode == 0:
        return result
    if isinstance(result, Exception):
        return result
    return WorkerKilledError(f"{child.name} ended with exit code {child.exitcode}")


def _work(
    work: Callable[[Share], Any],
    share: Share,
    answer: Connection,
    alive: Connection,
    ours: Connection,
) -> None:
    # Ctrl-C goes to all processes of a terminal: the first one says so and ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ours.close()
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()
    try:
        answer.send(work(share))
    except Exception as error:  # noqa: BLE001 - the first process reports it
        answer.send(RuntimeError(str(error)))
        sys.exit(1)


def _end_with(alive: Connection) -> None:
    """Ends this process when the first one has ended."""
    with contextlib.suppress(EOFError, OSError):
        alive.recv()
    os._exit(1)
