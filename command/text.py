"""Text: what comes from outside, and sizes, as a person reads them in a terminal."""


def printable(text: str) -> str:
    """Makes what could move a cursor visible: names and answers come from outside."""
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
    """The first line of what an error says, or its type where it says nothing.

    Google's errors put their status before the text and have the plain text as
    `message`.
    """
    text = getattr(error, "message", None)
    text = text if isinstance(text, str) else str(error)
    return next(iter(text.strip().splitlines()), type(error).__name__)


def size_text(size_bytes: float) -> str:
    """A size as `850 bytes` or `12.3 MB`; a thousand makes the next unit."""
    if size_bytes < 1000:
        return f"{size_bytes:.0f} bytes"
    units = ["TB", "GB", "MB", "kB"]
    while size_bytes >= 1000 and units:
        size_bytes, unit = size_bytes / 1000, units.pop()
    return f"{size_bytes:,.1f} {unit}"
