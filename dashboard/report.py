"""`python -m dashboard report`: the tiles of a day, as one page of HTML or PDF."""

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from command.text import one_line
from command.usage import UsageError
from dashboard.answers import PARALLEL
from dashboard.pages import REPORTED
from dashboard.paper import Sheet
from dashboard.print_out import html_page, pdf_page
from dashboard.selection import ONE_DAY, london_day, midnight
from dashboard.serve import add_limits, add_place_options, warehouse_of
from dashboard.sources import Sources
from dashboard.tile import Tile
from dashboard.viewing import drawn
from gb_iris.failure import ReadError

ENDINGS = (".html", ".pdf")


def configure(parser: argparse.ArgumentParser) -> None:
    add_place_options(parser)
    add_limits(parser)
    parser.set_defaults(every=None)
    parser.add_argument(
        "--day",
        type=_day,
        help="the day in Great Britain, such as 2026-05-06 (default: yesterday)",
    )
    parser.add_argument(
        "--out",
        type=_file,
        metavar="FILE",
        help="FILE.html or FILE.pdf (default: report-DAY.html)",
    )


def run(options: argparse.Namespace) -> int:
    """Writes the file; 1 if the query of a tile failed."""
    now = dt.datetime.now(dt.UTC)
    day = options.day or london_day(now) - ONE_DAY
    if midnight(day) > now:
        raise UsageError(f"--day: {day} has not begun")
    out: Path = options.out or Path(f"report-{day}.html")
    sources = Sources(warehouse_of(options))
    sheets = sheets_of(sources, REPORTED, day, now)
    title = f"Great Britain's electricity, {day:%A %-d %B %Y}"
    until = min(midnight(day + ONE_DAY), now)
    about = f"As of {until:%Y-%m-%d %H:%M} UTC, from {sources.warehouse.path}."
    content = (
        pdf_page(title, about, sheets)
        if out.suffix == ".pdf"
        else html_page(title, about, sheets).encode()
    )
    try:
        out.write_bytes(content)
    except OSError as error:
        raise UsageError(f"--out: {out}: {error.strerror}") from None
    failed = [sheet for sheet in sheets if sheet.error]
    for sheet in failed:
        print(f"{sheet.tile.title}: {sheet.error}", file=sys.stderr)
    print(f"{day}: {len(sheets) - len(failed)} of {len(sheets)} tiles in {out}")
    return 1 if failed else 0


def sheets_of(
    sources: Sources, tiles: Sequence[Tile], day: dt.date, now: dt.datetime
) -> list[Sheet]:
    """The tiles of a day, each with its answer; some are asked at a time."""
    at = min(midnight(day + ONE_DAY), now)
    given = {"at": at, "day": day}

    def sheet(tile: Tile) -> Sheet:
        selection = {name: given.get(name) for name in tile.takes}
        try:
            return Sheet(tile, drawn(tile, sources, selection, at)[0], "")
        except ReadError as error:
            return Sheet(tile, None, str(error))
        except Exception as error:  # noqa: BLE001 - of this tile; the others stand
            return Sheet(tile, None, one_line(error))

    with ThreadPoolExecutor(PARALLEL) as threads:
        return list(threads.map(sheet, tiles))


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a day, such as 2026-05-06"
        ) from None


def _file(text: str) -> Path:
    path = Path(text)
    if path.suffix not in ENDINGS:
        raise argparse.ArgumentTypeError(
            f"{text!r} does not end with {' or '.join(ENDINGS)}"
        )
    return path
