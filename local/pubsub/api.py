"""Pub/Sub's messages: without Google's clients, a server takes half the memory."""

from typing import TYPE_CHECKING

from local.bare_package import types_of

if TYPE_CHECKING:
    from google.pubsub_v1 import types
else:
    types = types_of("google.pubsub_v1")

__all__ = ["types"]
