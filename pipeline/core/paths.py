"""The path of a field inside a record: `outageProfile[0].note`."""

import functools
import json
import re

# The marks of a path; a name that has one of these, or is empty, is quoted.
_MARKS = frozenset(".[]")
# A quoted name, a place in an array, or a plain name.
_STEP = re.compile(r'\[("(?:[^"\\]|\\.)*")\]|\[\d+\]|([^.\[\]]+)', re.DOTALL)


def join(path: str, name: str) -> str:
    """The path of a field of the object at `path`; that of the record is empty."""
    if not name or not _MARKS.isdisjoint(name):
        return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
    return f"{path}.{name}" if path else name


# The paths of a feed are few; the bound is for junk.
@functools.lru_cache(maxsize=10_000)
def names(path: str) -> tuple[str, ...]:
    """The names along a path; places in arrays are left out."""
    steps = _STEP.findall(path)
    return tuple(
        json.loads(quoted) if quoted else plain
        for quoted, plain in steps
        if quoted or plain
    )
