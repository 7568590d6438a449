"""What the tests of the bridge share."""

import logging
from collections.abc import Iterator

import pytest


class Warnings(logging.Handler):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The warnings so far, as they come."""
    handler = Warnings()
    log = logging.getLogger("bridge")
    log.addHandler(handler)
    yield handler.texts
    log.removeHandler(handler)
