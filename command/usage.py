"""Usage: the exit codes, parser and error that all command lines share."""

import argparse
from typing import NoReturn

FAILED = 1
USER_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class UsageError(ValueError):
    """A mistake that the user can correct; the text says how, in one line."""


class OneLineParser(argparse.ArgumentParser):
    """A parser that reports a wrong option in one line, without its usage."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with exit code 2."""
        self.exit(USER_ERROR, f"{self.prog}: {message} (--help shows the options)\n")
