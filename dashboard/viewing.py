"""Viewing: what the routes ask, joined: the tables, their pulse, and the answers."""

import asyncio
import datetime as dt
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dashboard.answers import Answer, Answers, chosen
from dashboard.browsing import question
from dashboard.download import file_name, write_rows
from dashboard.pages import Page
from dashboard.payload import tile_json
from dashboard.pulse import Pulse
from dashboard.selection import LONDON, Selection, parse
from dashboard.sources import Sources
from dashboard.tile import Drawing, Tile
from dashboard.vega import milliseconds
from dashboard.warehouse import Warehouse

# How long the first picture is waited for before the page says that it is slow.
FIRST_SECONDS = 15.0
# A query takes a second or two.
SLOW_SECONDS = 12.0
# How long a page that shows something waits for news.
NEWS_SECONDS = 1.5


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Viewing:
    """The tiles of all pages, as viewers get them.

    Args:
        warehouse: The tables.
        least_seconds: The least time between two queries of a tile, and of the pulse.
        bridge_url: Where the bridge serves its health; empty if that is not known.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        least_seconds: Callable[[], float],
        bridge_url: str = "",
    ) -> None:
        self.warehouse = warehouse
        self._sources = Sources(warehouse, bridge_url)
        self._pulse = Pulse(warehouse, least_seconds, utc_now)
        self._answers = Answers(self._ask, least_seconds, utc_now)
        # One after another: each takes memory, and what tiles could use.
        self._downloads = asyncio.Semaphore(1)

    def close(self) -> None:
        self._answers.close()

    @property
    def tile_queries(self) -> int:
        """How many queries of tiles were answered."""
        return self._answers.queries

    async def expect(self, page: Page, texts: Mapping[str, str]) -> None:
        """A viewer has opened a page: its tiles will be asked for in a moment.

        Raises:
            UsageError: The selection is not valid.
        """
        await self._pulse.look(0)
        for tile in page.tiles:
            await self._answer(tile, parse(texts, tile.takes), 0)

    async def tile(self, tile: Tile, texts: Mapping[str, str]) -> tuple[int, bytes]:
        """The version of a tile, and its payload.

        Raises:
            UsageError: The selection is not valid.
        """
        selection = parse(texts, tile.takes)
        # What nobody has seen yet needs no news.
        seen = self._answers.known(tile, selection)
        await self._pulse.look(NEWS_SECONDS if seen else 0)
        answer = await self._answer(tile, selection, FIRST_SECONDS)
        return answer.version, tile_json(tile, answer)

    async def state(self, page: Page, texts: Mapping[str, str]) -> dict[str, Any]:
        """What is new on a page: the versions of its tiles, and how fresh they are.

        Raises:
            UsageError: The selection is not valid.
        """
        names = {name for tile in page.tiles for name in tile.takes}
        selection = parse(texts, sorted(names))
        await self._pulse.look(NEWS_SECONDS)
        tiles = {}
        for tile in page.tiles:
            part = chosen(tile, selection)
            answer = await self._answer(tile, part, 0)
            tiles[tile.name] = self._tile_state(tile, answer, part)
        budget = self.warehouse.budget
        warning = budget.warning() if budget else ""
        return {
            "tiles": tiles,
            "banner": self._banner(tiles.values()) or warning,
            "billed": budget.text() if budget else "",
        }

    def _banner(self, tiles: Collection[dict[str, Any]]) -> str:
        """What the whole page should know."""
        # Without news no tile asks for a while.
        is_slow = self._pulse.waits_seconds() > SLOW_SECONDS
        if any(tile["away"] for tile in tiles):
            said = "BigQuery does not answer. The page tries again by itself."
        elif is_slow or any(tile["slow"] for tile in tiles):
            said = "BigQuery takes long to answer."
        else:
            return ""
        asked = [tile["asked"] for tile in tiles if tile["asked"]]
        if not asked:
            return said
        return f"{said} The page shows what it said until {_london_clock(max(asked))}."

    async def rows(
        self, ending: str, texts: Mapping[str, str]
    ) -> tuple[Path, str] | None:
        """A file of the rows of a selection, and its name; None without rows.

        Raises:
            UsageError: The selection is not valid.
            ReadError: BigQuery refuses, or does not answer.
        """
        selection = parse(texts, ("dataset", "day", "unit"))
        async with self._downloads:
            return await asyncio.to_thread(self._rows, ending, selection)

    def _rows(self, ending: str, selection: Selection) -> tuple[Path, str] | None:
        asked = question(self.warehouse, selection, utc_now())
        path, count = write_rows(self.warehouse, asked, ending)
        if not count:
            path.unlink()
            return None
        return path, file_name(asked, selection["day"], ending)

    async def _answer(
        self, tile: Tile, selection: Selection, patience_seconds: float
    ) -> Answer:
        news = self._pulse.news(tile.datasets)
        paced = tile.paced(is_local=self.warehouse.is_local)
        return await self._answers.get(paced, selection, news, patience_seconds)

    def _tile_state(
        self, tile: Tile, answer: Answer, part: Selection
    ) -> dict[str, Any]:
        is_live = tile.live and part.get("at") is None
        fresh = self._pulse.freshness(tile.datasets, utc_now())
        return {
            "version": answer.version,
            "asked": answer.asked and milliseconds(answer.asked),
            "error": answer.error,
            "away": answer.is_away,
            "slow": self._answers.waits_seconds(tile, part) > SLOW_SECONDS,
            "newest": fresh.newest and milliseconds(fresh.newest),
            "late": fresh.late if is_live else "",
        }

    def _ask(
        self, tile: Tile, selection: Selection, now: dt.datetime
    ) -> tuple[Drawing | None, int, float]:
        return drawn(tile, self._sources, selection, now)


def drawn(
    tile: Tile, sources: Sources, selection: Selection, now: dt.datetime
) -> tuple[Drawing | None, int, float]:
    """Asks for a tile; returns its drawing, the bytes billed, and the seconds taken.

    Raises:
        ReadError: BigQuery refuses, or does not answer.
    """
    if tile.ask:
        found = tile.ask(sources, selection, now)
    else:
        parameters = tile.parameters(selection, now)
        if parameters is None:
            return None, 0, 0.0
        found = sources.warehouse.ask(tile.sql, parameters)
    drawing = tile.draw(found.rows, selection, now) if found.rows else None
    if drawing and found.sql:
        drawing = replace(drawing, sql=found.sql)
    return drawing, found.billed_bytes, found.seconds


def _london_clock(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at / 1000, LONDON):%H:%M:%S}"
