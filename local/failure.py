"""What can go wrong here, as errors whose text is for the user."""


class UserError(ValueError):
    """Something the user must correct; the text is one line that says what."""


class PartFailedError(RuntimeError):
    """A part of the stack ended, or did not become ready.

    Attributes:
        log_lines: The last lines that it wrote.
    """

    def __init__(self, part: str, what: str, log_lines: list[str]) -> None:
        super().__init__(f"{part} {what}")
        self.log_lines = log_lines
