"""The server: its routes, and what no answer may lack."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TypeVar

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from command import exposition
from command.callers import Gate
from command.usage import UsageError
from dashboard import vega
from dashboard.download import ENDINGS, TYPES
from dashboard.pages import PAGES, TILES, Page
from dashboard.scripts import Scripts
from dashboard.selection import FIELDS, usual_texts
from dashboard.tile import Tile
from dashboard.viewing import Viewing
from gb_iris.failure import ReadError

FOLDER = Path(__file__).parent
# Nothing from elsewhere, and no code but that of our own files.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
METRICS = (
    {
        "warehouse_queries": "Queries sent to BigQuery",
        "tile_queries": "Queries of tiles that were answered",
    },
    {"billed_bytes_today": "What a project is billed for its queries today"},
)
A_YEAR = "public, max-age=31536000, immutable"
# Compressing less takes longer than sending it.
LEAST_COMPRESSED_BYTES = 2_000

Named = TypeVar("Named", Page, Tile)


def application(viewing: Viewing, scripts: Scripts, hosts: list[str]) -> Starlette:
    """The dashboard.

    Args:
        viewing: The tiles.
        scripts: Vega.
        hosts: The names by which viewers may reach it: a page of another site that
            makes its own name point here gets nothing.
    """
    routes = _Routes(viewing, scripts)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        making = asyncio.create_task(asyncio.to_thread(scripts.path))
        yield
        viewing.close()
        await asyncio.gather(making, return_exceptions=True)

    return Starlette(
        routes=[
            Route("/", routes.home),
            Route("/status", routes.status),
            Route("/metrics", routes.metrics),
            Route("/pages/{page}/state", routes.state),
            Route("/tiles/{tile}", routes.tile),
            Route("/scripts/{name}", routes.script),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
            Route("/rows.{ending}", routes.rows),
            Route("/{page}", routes.page),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
            # Its answers are for its own pages, and its queries cost money.
            Middleware(Gate, names=None),
            Middleware(_Headers),
            Middleware(GZipMiddleware, minimum_size=LEAST_COMPRESSED_BYTES),
        ],
        exception_handlers={UsageError: _mistake, HTTPException: _refused},
        lifespan=lifespan,
    )


class _Headers:
    """Adds the headers that every answer has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._pairs = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._pairs]
            await send(message)

        await self._app(scope, receive, send_with)


class _Routes:
    def __init__(self, viewing: Viewing, scripts: Scripts) -> None:
        self._viewing, self._scripts = viewing, scripts
        self._metrics = exposition.Metrics("iris_dashboard_", *METRICS)
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    async def home(self, request: Request) -> Response:
        return RedirectResponse("/now", 307)

    async def page(self, request: Request) -> Response:
        page = _named(PAGES, request.path_params["page"])
        with contextlib.suppress(UsageError):  # the page says it
            await self._viewing.expect(page, request.query_params)
        html = self._templates.get_template("page.html").render(
            page=page,
            pages=PAGES.values(),
            fields={name: FIELDS[name] for name in page.fields},
            usual=usual_texts(page.fields) | dict.fromkeys(page.empty, ""),
            path=str(self._viewing.warehouse.path),
            is_local=self._viewing.warehouse.is_local,
            script=self._scripts.name,
            themes=orjson.dumps({"light": vega.LIGHT, "dark": vega.DARK}).decode(),
        )
        return HTMLResponse(html, headers={"Cache-Control": "no-cache"})

    async def state(self, request: Request) -> Response:
        page: Page = _named(PAGES, request.path_params["page"])
        return _json(await self._viewing.state(page, request.query_params))

    async def tile(self, request: Request) -> Response:
        tile = _named(TILES, request.path_params["tile"])
        version, body = await self._viewing.tile(tile, request.query_params)
        etag = f'W/"{version}"'
        headers = {"Cache-Control": "no-cache", "ETag": etag}
        if version and request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    async def script(self, request: Request) -> Response:
        if request.path_params["name"] != self._scripts.name:
            raise HTTPException(404)
        path = await asyncio.to_thread(self._scripts.path)
        return FileResponse(path, headers={"Cache-Control": A_YEAR})

    async def rows(self, request: Request) -> Response:
        ending = request.path_params["ending"]
        if ending not in ENDINGS:
            raise HTTPException(404)
        try:
            found = await self._viewing.rows(ending, request.query_params)
        except ReadError as error:
            return PlainTextResponse(str(error), 503)
        if found is None:
            return PlainTextResponse("there are no such rows", 404)
        path, name = found
        return FileResponse(
            path,
            media_type=TYPES[ending],
            filename=name,
            headers={"Cache-Control": "no-store"},
            background=BackgroundTask(path.unlink),
        )

    async def metrics(self, request: Request) -> Response:
        """What it has asked, for Prometheus."""
        viewing, metrics = self._viewing, self._metrics
        budget = viewing.warehouse.budget
        metrics.set("warehouse_queries", viewing.warehouse.queries)
        metrics.set("tile_queries", viewing.tile_queries)
        metrics.set("billed_bytes_today", budget.billed() if budget else 0)
        return Response(metrics.exposition(), media_type=exposition.CONTENT_TYPE)

    async def status(self, request: Request) -> Response:
        return _json(
            {
                "queries": self._viewing.warehouse.queries,
                "tile_queries": self._viewing.tile_queries,
            }
        )


def _named(known: Mapping[str, Named], name: str) -> Named:
    if name not in known:
        raise HTTPException(404)
    return known[name]


def _json(content: object) -> Response:
    body = orjson.dumps(content)
    headers = {"Cache-Control": "no-store"}
    return Response(body, media_type="application/json", headers=headers)


async def _mistake(_: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), 400)


async def _refused(_: Request, error: Exception) -> Response:
    code = error.status_code if isinstance(error, HTTPException) else 500
    return PlainTextResponse("there is no such page" if code == 404 else "", code)
