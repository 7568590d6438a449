"""Forms: where the records are in a parsed body.

IRIS sends an array of records, or one record. An answer of Elexon's Insights API has
them under `data`, with `metadata` beside it, and its stream endpoints answer an array.
Users join answers: as an array of answers, or as JSON lines. What has none of these
forms stays one record, which is then refused because no column knows its fields.
"""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

# A field that says of which dataset a record is, and nothing else of it.
DATASET_FIELD = "dataset"
# An answer inside an answer is possible (pages of pages); more is junk.
MAX_DEPTH = 4
# HTTP statuses from here on are errors (RFC 9110).
FIRST_ERROR_STATUS = 400
# After this many lines it is clear whether a text is JSON lines; one value over several
# lines may have millions.
PROBE_LINES = 100


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A line of JSON lines that is not JSON; it has the place of a record.

    Attributes:
        data: The line as it came.
        error: Why it cannot be parsed.
    """

    data: bytes
    error: str

    @property
    def is_open_array(self) -> bool:
        """Whether it begins an array, whose records are in the lines after it."""
        return self.data.lstrip().startswith(b"[")


class Opened(NamedTuple):
    """The records of a body.

    Attributes:
        records: Its elements; those of JSON lines may be `BrokenLine`.
        is_answer: Whether they were in the envelope of the Insights API.
        datasets: The datasets that the envelope names.
    """

    records: list[Any]
    is_answer: bool = False
    datasets: tuple[str, ...] = ()


# The class's own `__new__` is written in Python.
_new_opened: Callable[[type[Opened], tuple[Any, ...]], Opened] = tuple.__new__


def opened(value: Any, columns: Set[str]) -> Opened | None:
    """Finds the records in a parsed value.

    Args:
        value: What the body holds.
        columns: Those of the dataset: an object that has one of them is a record, even
            if it has `data`. Empty if the dataset is not known yet.

    Returns:
        The records; None for a value that is neither an array nor an object.
    """
    if type(value) is list:
        # One look at a message of IRIS: its first record is not an answer.
        if value and type(value[0]) is dict and "data" in value[0]:
            return _joined(value, columns, 0)
        return _new_opened(Opened, (value, False, ()))
    if type(value) is dict:
        return _joined([value], columns, 0)
    return None


def _joined(values: list[Any], columns: Set[str], depth: int) -> Opened:
    """The records of several values, of which some are answers."""
    records: list[Any] = []
    is_answer = False
    datasets: list[str] = []
    for value in values:
        if depth >= MAX_DEPTH or not _is_answer(value, columns):
            records.append(value)
            continue
        data = value["data"]
        inner = _joined(data if type(data) is list else [data], columns, depth + 1)
        records += inner.records
        datasets += [*_names(value), *inner.datasets]
        is_answer = True
    return Opened(records, is_answer, tuple(datasets))


def _is_answer(value: Any, columns: Set[str]) -> bool:
    """Whether a value is the envelope of an answer that is not an error."""
    if type(value) is not dict or type(value.get("data")) not in (list, dict):
        return False
    if any(name in columns for name in value if name != DATASET_FIELD):
        return False
    status = value.get("status")
    is_error = type(status) is int and status >= FIRST_ERROR_STATUS
    return not (is_error or value.get("errors") or value.get("error"))


def _names(answer: dict[str, Any]) -> list[str]:
    """The datasets that an envelope names: `{"metadata": {"datasets": ["FREQ"]}}`."""
    metadata = answer.get("metadata")
    named = metadata.get("datasets") if type(metadata) is dict else None
    found = [*(named if type(named) is list else [named]), answer.get(DATASET_FIELD)]
    return [name for name in found if type(name) is str]


def lines_opened(
    text: str | bytes, parse: Callable[[Any], Any], columns: Set[str]
) -> Opened | None:
    """Finds the records in JSON lines: each line is one, or anything that has some.

    A line that cannot be parsed takes the place of a record, so that it costs only
    itself. At least half of the lines must be whole: the lines of one array or object
    that is written over several lines, and is cut off or broken, are not.

    Args:
        text: The body.
        parse: Parses one line; raises ValueError or RecursionError.
        columns: As for `opened`.

    Returns:
        The records; None if the text is not JSON lines.
    """
    lines = [line for line in _split(text) if line and not line.isspace()]
    if len(lines) < 2:
        return None
    records: list[Any] = []
    is_answer = False
    datasets: list[str] = []
    whole = 0
    for number, line in enumerate(lines, 1):
        value = _line(line, parse)
        if (found := opened(value, columns)) is None:
            if number == 1 and type(value) is BrokenLine and value.is_open_array:
                return None
            records.append(value)
        else:
            whole += 1
            is_answer = is_answer or found.is_answer
            records += found.records
            datasets += found.datasets
        if number in (PROBE_LINES, len(lines)) and whole < number / 2:
            return None
    return Opened(records, is_answer, tuple(datasets))


def _split(text: str | bytes) -> list[Any]:
    # Not `splitlines`: a JSON text may contain U+2028, which is a line end to Python.
    return text.split("\n") if isinstance(text, str) else text.split(b"\n")


def _line(line: str | bytes, parse: Callable[[Any], Any]) -> Any:
    """The value of a line, or a `BrokenLine`."""
    try:
        value = parse(line)
        while type(value) is str:
            value = parse(value)
    except (ValueError, RecursionError) as error:
        is_deep = isinstance(error, RecursionError)
        if isinstance(line, str):
            line = line.encode(errors="surrogatepass")
        why = "nested too deeply" if is_deep else str(error)
        return BrokenLine(line.removesuffix(b"\r"), why)
    return value


def dataset_named(
    found: Opened, known: Callable[[str], str | None], also: Iterable[str] = ()
) -> str | None:
    """The one dataset that all records name.

    Where some records name none, their envelope must name it, or `also`. A name is
    data: only one that the registry knows counts.

    Args:
        found: The records; an element that is not an object has no say.
        known: The registry's name for a name or alias; None if it has none.
        also: Names from elsewhere, for example from a file's name.

    Returns:
        The registry's name; None where names differ, are unknown or missing.
    """
    fields = [each.get(DATASET_FIELD) for each in found.records if type(each) is dict]
    names = {
        known(name) if type(name) is str else None
        for name in fields
        if name is not None
    }
    if not fields or None in fields:
        around = {known(name) for name in (*found.datasets, *also)}
        if not around:
            return None
        names |= around
    return names.pop() if len(names) == 1 else None
