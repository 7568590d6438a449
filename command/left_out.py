"""Left out: packages that others load where they are installed, and nothing here uses.

Google's client of BigQuery loads pandas and IPython wherever they are installed: 34 MB
and 0.3 s for every process.
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _LeftOut(MetaPathFinder):
    """Says of some packages that they are not installed.

    `None` in `sys.modules` does so for Python, and not for Cython, in which pyarrow is
    written: it takes the `None` for the module.
    """

    def __init__(self, packages: tuple[str, ...]) -> None:
        self._packages = packages

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname in self._packages:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def leave_out(*packages: str) -> None:
    """Makes packages as if they were not installed, for what this process loads."""
    sys.meta_path.insert(0, _LeftOut(packages))


@contextlib.contextmanager
def left_out(*packages: str) -> Iterator[None]:
    """Makes packages as if they were not installed, for what is loaded within.

    They can be imported afterwards: what was loaded within does without them.
    """
    finder = _LeftOut(packages)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
