"""What can go wrong with a part of the stack."""

from collections.abc import Sequence
from pathlib import Path


class PartFailedError(RuntimeError):
    """A part of the stack ended, or did not become ready.

    Attributes:
        log_lines: The last lines that it wrote.
        log: The file with all of them, if there is one.
    """

    def __init__(
        self,
        part: str,
        what: str,
        log_lines: Sequence[str] = (),
        log: Path | None = None,
    ) -> None:
        super().__init__(f"{part} {what}")
        self.log_lines = log_lines
        self.log = log

    def report(self) -> str:
        """The last lines of the log, and a line that says what failed."""
        lines = [f"  {line}" for line in self.log_lines]
        whose = f"the last lines of {self.log}" if self.log else "its last lines"
        above = f"; {whose} are above" if lines else ""
        return "\n".join([*lines, f"{self}{above}"])
