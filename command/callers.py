"""Callers: whose HTTP requests a server of this machine answers.

Any page that a user opens can have the browser send requests to this machine, and the
owner of a site can let a name point here, so that the browser takes the server for that
site (DNS rebinding). So a request must name this machine as its host, and no page of
another site may be behind it. Programs send no `Origin` and no `Sec-Fetch-Site`.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# What `Sec-Fetch-Site` says of a page's own requests, and of an address that was typed.
OWN_SITES = ("same-origin", "none")

FOREIGN = "this server answers no pages of other sites"

Header = Callable[[str], str | None]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[dict[str, Any], Any, Send], Awaitable[None]]


def names_of(address: str, more: Iterable[str] = ()) -> frozenset[str] | None:
    """The names by which a server may be called; None for any.

    Args:
        address: Where it listens; elsewhere than on the loopback, it is there for other
            machines, and they know it by names of their own.
        more: Further names.
    """
    return OWN_NAMES | frozenset(more) if address in OWN_NAMES else None


def refusal(method: str, header: Header, names: frozenset[str] | None) -> str | None:
    """Why a request is refused; None for one that is answered.

    Args:
        method: Of the request.
        header: Returns the value of a header, by its name in lower case.
        names: By which the server may be called; None for any.
    """
    host = header("host") or ""
    if names is not None and _name(f"//{host}") not in names:
        return "this server answers only to the names of its own machine"
    own = [f"{scheme}://{host}".lower() for scheme in ("http", "https")]
    origin = header("origin")
    if origin is not None and origin.lower() not in own:
        return FOREIGN
    # A link that the user has followed shows the answer to the user alone.
    followed = method == "GET" and header("sec-fetch-mode") == "navigate"
    if not followed and header("sec-fetch-site") not in (None, *OWN_SITES):
        return FOREIGN
    return None


def _name(address: str) -> str | None:
    """The name in an address, without a port; None if there is none."""
    try:
        return urlsplit(address).hostname
    except ValueError:  # half of an IPv6 address
        return None


class Gate:
    """An ASGI application that answers only some of the requests to another one."""

    def __init__(self, app: Application, names: frozenset[str] | None) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        """Passes a request on, or answers 403."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): text.decode("latin-1")
            for name, text in scope["headers"]
        }
        reason = refusal(scope["method"], headers.get, self._names)
        if reason is None:
            await self._app(scope, receive, send)
            return
        plain = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": 403, "headers": plain})
        await send({"type": "http.response.body", "body": reason.encode()})
