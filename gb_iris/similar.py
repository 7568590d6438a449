"""Similar names: what a mistyped name may mean."""

from collections.abc import Iterable
from difflib import get_close_matches

LIMIT = 3


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`: did you mean A or B?`, or nothing if no name is near; ignores case."""
    by_key = {each.casefold(): each for each in known}
    near = get_close_matches(name.casefold(), by_key, LIMIT)
    return f": did you mean {' or '.join(by_key[key] for key in near)}?" if near else ""
