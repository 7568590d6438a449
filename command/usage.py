"""A user's mistake: told in one line, with exit code 2."""

import argparse
from typing import NoReturn


class UsageError(ValueError):
    """A mistake that the user mends; the text is one line for that."""


class OneLineParser(argparse.ArgumentParser):
    """A parser that leaves out its usage when an option is wrong."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with exit code 2."""
        self.exit(2, f"{self.prog}: {message} (--help shows the options)\n")
