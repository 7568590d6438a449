"""The messages of Pub/Sub's API, without Google's clients.

Importing `google.pubsub_v1` brings its clients, and with them `google.auth`, `requests`
and `cryptography`: 22 MB, half of what the embedded Pub/Sub took. It serves, and what
calls it here needs four methods.
"""

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

PACKAGE = "google.pubsub_v1"


def _without_clients() -> ModuleType:
    """Imports the part of the package that has the messages."""
    spec = find_spec(PACKAGE)
    if PACKAGE in sys.modules or spec is None:  # or raises what is missing
        return importlib.import_module(f"{PACKAGE}.types")
    package = ModuleType(PACKAGE)
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules[PACKAGE] = package
    try:
        return importlib.import_module(f"{PACKAGE}.types")
    finally:  # whoever wants the clients gets them
        del sys.modules[PACKAGE]


if TYPE_CHECKING:
    from google.pubsub_v1 import types
else:
    types = _without_clients()

__all__ = ["types"]
