"""Callers: refuses pages of other sites, as a middleware of aiohttp."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from command.callers import names_of, refusal


def only_own(address: str) -> Middleware:
    """A middleware for a server that listens on an address."""
    names = names_of(address)

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if reason := refusal(request.method, request.headers.get, names):
            raise web.HTTPForbidden(text=reason)
        return await handler(request)

    return check
