"""A child process of the stack: start it, wait for it, read its log, stop it."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from local.failure import PartFailedError

ROOT = Path(__file__).parents[1]
"""The checkout: commands run here."""

LAUNCHER = Path(__file__).with_name("launcher.py")
# glibc gives every thread an arena of its own and keeps what was freed: with these, the
# parts of a demo that has taken in a day need 40 MB less in sum (measured).
SMALL_HEAPS = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "1000000"}
POLL_SECONDS = 0.05
TAIL_LINES = 15
# A killed child ends at once, unless the kernel is still writing its data.
KILL_SECONDS = 5.0

Seen = TypeVar("Seen")
Done = TypeVar("Done")


class Child:
    """A process in its own session, which a terminal's Ctrl-C does not reach.

    It ends with this process (Linux), and writes stdout and stderr into its log. Start
    it from the main thread: for the kernel the parent ends with the starting *thread*.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path = ROOT,
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = os.environ if environment is None else environment
        self._folder = folder
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        self._log_start = 0
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid())]
        with self.log.open("ab") as output:
            return subprocess.Popen(
                [*launcher, *self._command],
                cwd=self._folder,
                env={**SMALL_HEAPS, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def restart(self, reason: str) -> None:
        """Starts it again after its end, with the same command; its log goes on.

        Args:
            reason: Why, for the log.
        """
        self.kill()  # what it had started
        with self.log.open("a") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} restart: {reason}\n")
        self._log_start = self.log.stat().st_size
        self._process = self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code (negative: the signal that ended it); None while it runs."""
        return self._process.poll()

    def tail(self) -> list[str]:
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            return [line.rstrip() for line in deque(lines, TAIL_LINES)]

    def ready_line(self) -> dict[str, Any] | None:
        """The JSON line that a part prints when it is ready; None before that."""
        for line in self._log_lines():
            if line.startswith('{"ready"') and line.endswith("\n"):
                content: dict[str, Any] = json.loads(line)
                return content
        return None

    def logged(self, message: str) -> dict[str, Any] | None:
        """The last JSON line of its log with a `message`; None if there is none."""
        found = None
        for line in self._log_lines():
            if line.startswith("{") and message in line and line.endswith("\n"):
                content: dict[str, Any] = json.loads(line)
                found = content if content.get("message") == message else found
        return found

    def says(self, text: str) -> bool | None:
        """True once its log contains a text; None before that."""
        return any(text in line for line in self._log_lines()) or None

    def _log_lines(self) -> Iterator[str]:
        """What it has written since it was started last."""
        with self.log.open("rb") as lines:
            lines.seek(self._log_start)
            for line in lines:
                yield line.decode(errors="replace")

    def failed(self, what: str) -> PartFailedError:
        """The error that says what happened to this part."""
        return PartFailedError(self.name, what, self.tail(), self.log)

    def check(self) -> None:
        """Makes sure that it runs.

        Raises:
            PartFailedError: It has ended.
        """
        if self.exit_code is not None:
            raise self.failed(f"ended with exit code {self.exit_code}")

    def kill(self) -> None:
        """Ends it, and every process that it started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def wait_for(
        self, look: Callable[[], Seen | None], deadline_seconds: float
    ) -> Seen:
        """Calls `look`, which may block briefly, until it returns something.

        Raises:
            PartFailedError: The process ended, or `look` returned None for too long.
        """
        deadline = time.monotonic() + deadline_seconds
        while (seen := await asyncio.to_thread(look)) is None:
            self.check()
            if time.monotonic() > deadline:
                raise self.failed(f"was not ready within {deadline_seconds:g} s")
            await asyncio.sleep(POLL_SECONDS)
        return seen

    async def ended(self, deadline_seconds: float) -> int | None:
        """Waits for its end; returns its exit code, or None if it still runs."""
        deadline = time.monotonic() + deadline_seconds
        while self.exit_code is None and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
        return self.exit_code

    async def stop(self, deadline_seconds: float) -> int | None:
        """Asks it to end, kills it after the deadline; returns its exit code."""
        if self.exit_code is None:
            self._process.terminate()
            await self.ended(deadline_seconds)
        self.kill()
        return await self.ended(KILL_SECONDS)


def output_of(command: Sequence[str], seconds: float | None = None) -> str | None:
    """What a program prints; None if it does not run, fails, or takes too long."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=seconds
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """Runs several at once; the first failure cancels the others and is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def unless(
    stopped: asyncio.Event, work: Coroutine[Any, Any, Done]
) -> Done | None:
    """Runs some work until its end, or returns None when the event comes first."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return None


async def wait_for_event(event: asyncio.Event, seconds: float) -> None:
    """Waits for an event, at most this long."""
    try:
        await asyncio.wait_for(event.wait(), timeout=seconds)
    except TimeoutError:
        return
