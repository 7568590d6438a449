"""Text: foreign text, errors, sizes and tables as a person reads them in a terminal."""

from collections.abc import Iterable, Iterator, Sequence


def printable(text: str) -> str:
    """Escapes control characters: names and answers come from outside."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )


def one_line(error: BaseException, max_characters: int = 300) -> str:
    """An exception as `Type: text` on one line."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {text}"[:max_characters] if text else name


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its type if it has no text.

    Google's errors put their status before the text, and have the plain text in
    `message`.
    """
    text = getattr(error, "message", None)
    text = text if isinstance(text, str) else str(error)
    return next(iter(text.strip().splitlines()), type(error).__name__)


def size_text(size_bytes: float) -> str:
    """A size as `850 bytes` or `12.3 MB`, in units of 1,000."""
    if size_bytes < 1000:
        return f"{size_bytes:.0f} bytes"
    units = ["TB", "GB", "MB", "kB"]
    while size_bytes >= 1000 and units:
        size_bytes, unit = size_bytes / 1000, units.pop()
    return f"{size_bytes:,.1f} {unit}"


def table(rows: Sequence[Sequence[str]], left: int = 1) -> Iterator[str]:
    """The lines of a table, its cells aligned.

    Args:
        rows: Cells of the same number in each row.
        left: How many columns have texts, to be aligned left; the others have numbers.
    """
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def listed(names: Iterable[str], limit: int = 3) -> str:
    """`a, b, c and 4 more`."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
