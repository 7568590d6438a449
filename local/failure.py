"""What can go wrong with a part of the stack."""


class PartFailedError(RuntimeError):
    """A part of the stack ended, or did not become ready.

    Attributes:
        log_lines: The last lines that it wrote.
    """

    def __init__(self, part: str, what: str, log_lines: list[str]) -> None:
        super().__init__(f"{part} {what}")
        self.log_lines = log_lines
