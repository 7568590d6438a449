"""Print-out: sheets as one HTML page, or as one page of PDF."""

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dashboard.paper import Picture, Sheet, cells, picture
from dashboard.tile import Drawing, Figure

FOLDER = Path(__file__).parent
WIDTH, GAP, PADDING = 560, 20, 18
# Of a text of 11 pixels, on the average.
PIXELS_A_LETTER = 5.9
# Of a text of a table that is cut.
LEAST_LETTERS = 6
FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


def html_page(title: str, about: str, sheets: Sequence[Sheet]) -> str:
    """One page with all that it needs in it."""
    templates = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = [(sheet, _pictures(sheet, number)) for number, sheet in enumerate(sheets)]
    return templates.get_template("report.html").render(
        title=title, about=about, sheets=shown, cells=cells
    )


def pdf_page(title: str, about: str, sheets: Sequence[Sheet]) -> bytes:
    """One page, as long as it must be."""
    columns: list[list[str]] = [[], []]
    tops = [70.0, 70.0]
    for number, sheet in enumerate(sheets):
        place = 0 if tops[0] <= tops[1] else 1
        left = PADDING + place * (WIDTH + GAP)
        body, height = _card(sheet, number)
        moved = f'<g transform="translate({left},{tops[place]})">{body}</g>'
        columns[place].append(moved)
        tops[place] += height + GAP
    width, height = 2 * (WIDTH + PADDING) + GAP, max(tops)
    head = [
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(PADDING, 34, title, 21, weight="bold"),
        _text(PADDING, 54, about, 12, "#5b6675"),
    ]
    body = "".join([*head, *columns[0], *columns[1]])
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="{FONT}">{body}</svg>'
    )
    return vl_convert.svg_to_pdf(svg)


def _pictures(sheet: Sheet, number: int) -> list[Picture]:
    drawing = sheet.drawing
    if drawing is None:
        return []
    return [
        picture(chart, drawing.rows, WIDTH, f"c{number}-{place}")
        for place, chart in enumerate(drawing.charts)
    ]


class _Pen:
    """Writes downwards; `y` is where the next line begins."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = 0.0

    def line(
        self, text: str, size: int, colour: str = "#1c2430", weight: str = "normal"
    ) -> None:
        self.y += size * 1.35
        self.parts.append(_text(0, self.y, text, size, colour, weight))

    def paragraph(self, text: str, size: int, colour: str) -> None:
        letters = int(WIDTH / (PIXELS_A_LETTER * size / 11))
        for line in textwrap.wrap(text, letters):
            self.line(line, size, colour)

    def figures(self, figures: Sequence[Figure]) -> None:
        """Labels above values, side by side as far as there is room."""
        x, line = 0.0, 36.0
        for one in figures:
            value = f"{one.value} {one.unit}".strip()
            letters = max(len(one.label) * 0.85, len(value) * 1.2)
            width = letters * PIXELS_A_LETTER + 16
            if x and x + width > WIDTH:
                x, self.y = 0.0, self.y + line
            self.parts.append(_text(x, self.y + 16, one.label, 10, "#5b6675"))
            self.parts.append(_text(x, self.y + 31, value, 13, weight="bold"))
            x += width
        self.y += line if figures else 0

    def picture(self, drawn: Picture) -> None:
        self.y += 6
        self.parts.append(f'<g transform="translate(0,{self.y})">{drawn.svg}</g>')
        self.y += drawn.height

    def row(self, texts: Sequence[str], lefts: Sequence[float], colour: str) -> None:
        self.y += 15
        for left, text in zip(lefts, texts, strict=True):
            self.parts.append(_text(left, self.y, text, 10, colour))


def _card(sheet: Sheet, number: int) -> tuple[str, float]:
    """A tile as SVG, and its height."""
    pen = _Pen()
    pen.line(sheet.tile.title, 15, weight="bold")
    pen.paragraph(sheet.tile.about, 11, "#5b6675")
    drawing = sheet.drawing
    if drawing is None:
        pen.y += 8
        pen.paragraph(sheet.message, 12, "#8a5a00" if sheet.error else "#5b6675")
        return "".join(pen.parts), pen.y
    pen.figures(drawing.figures)
    for drawn in _pictures(sheet, number):
        pen.picture(drawn)
    if not drawing.charts:
        _table(pen, drawing)
    if drawing.note:
        pen.y += 4
        pen.paragraph(drawing.note, 11, "#5b6675")
    return "".join(pen.parts), pen.y


def _table(pen: _Pen, drawing: Drawing) -> None:
    titles = [f"{one.title} {one.unit}".strip() for one in drawing.columns]
    rows = [*cells(drawing)]
    # Names of units are capital letters, which are wide.
    letter = PIXELS_A_LETTER * 1.05
    longest = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    is_text = [one.kind == "text" for one in drawing.columns]
    while sum(longest) > WIDTH / letter - 2 * len(longest) and any(is_text):
        # Half a time is none: texts are cut, the longest first.
        cut = max(range(len(longest)), key=lambda n: is_text[n] * longest[n])
        if longest[cut] <= LEAST_LETTERS:
            break
        longest[cut] -= 1
    lefts = [letter * each for each in _starts(longest)]
    pen.row(_cut(titles, longest), lefts, "#5b6675")
    for row in rows:
        pen.row(_cut(row, longest), lefts, "#1c2430")


def _starts(lengths: Sequence[int]) -> Iterator[int]:
    """Where each column begins, in letters."""
    yield from itertools.accumulate((one + 2 for one in lengths[:-1]), initial=0)


def _cut(texts: Sequence[str], lengths: Sequence[int]) -> list[str]:
    return [
        text if len(text) <= most else f"{text[: most - 3]}..."
        for text, most in zip(texts, lengths, strict=True)
    ]


def _text(
    x: float,
    y: float,
    text: str,
    size: int,
    colour: str = "#1c2430",
    weight: str = "normal",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )
