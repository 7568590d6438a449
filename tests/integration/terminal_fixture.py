"""A program in a terminal of its own, as a person sees it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[2]
LINES, COLUMNS = 40, 100
# Colours, movements of the cursor, and modes of the terminal.
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[=>]|\][^\x07]*\x07)")
WHERE_IS_THE_CURSOR = b"\x1b[6n"
PATIENCE_SECONDS = 60.0


class Terminal:
    """The program; `seen` is what it has shown since the last `until`."""

    def __init__(self, command: list[str], **environment: str) -> None:
        self._pid, self._file = pty.fork()
        if self._pid == 0:
            os.chdir(ROOT)
            os.environ.update(environment, TERM="xterm", SQL="")
            os.execv(command[0], command)
        size = struct.pack("HHHH", LINES, COLUMNS, 0, 0)
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, size)
        self._text, self.seen = "", ""
        self._code: int | None = None

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._file)

    def type(self, keys: str) -> None:
        os.write(self._file, keys.encode())

    def until(self, text: str) -> str:
        """Waits until a text is shown; returns what came up to its line's end."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self._text:
            assert self._read(deadline), f"no {text!r} in {self._text!r}"
        end = self._text.index(text) + len(text)
        self.seen, self._text = self._text[:end], self._text[end:]
        return self.seen

    def end(self) -> int:
        """Waits for the end of the program; returns its exit code."""
        while self._read(time.monotonic() + PATIENCE_SECONDS):
            pass
        _, status = os.waitpid(self._pid, 0)
        self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def _read(self, deadline: float) -> bool:
        """Reads what there is; False at the end of the program."""
        left = max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([self._file], [], [], left)
        assert ready, f"nothing more after {self._text!r}"
        try:
            content = os.read(self._file, 65536)
        except OSError:  # Linux says so when the program has ended
            return False
        if WHERE_IS_THE_CURSOR in content:
            os.write(self._file, b"\x1b[1;1R")
        text = content.decode("utf-8", "replace").replace("\r\n", "\n")
        self._text += ESCAPES.sub("", text).replace("\r", "")
        return bool(content)
