"""What the local BigQuery imports at its first use, not at its start, or not at all.

pyarrow takes 36 MB, and the demo does not use it: load jobs do, JavaScript functions,
and the Storage APIs for rows in Arrow's form. Importing this module puts stand-ins into
`sys.modules`, so it is imported before local-bigquery.

Of Google's Storage API it needs the messages, not the clients.

DuckDB tries to import pandas some thirty times in every insert. It is not installed
here, and Python would search all its folders each time: 8 ms.
"""

import functools
import importlib
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

from local import bare_package

LOADS = "local_bigquery.jobs.load"


class _StandIn(ModuleType):
    """A module that is imported when something of it is used.

    `importlib.util.LazyLoader` does it at the next `import` already, which asks for the
    module's `__spec__`.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(imported(self.__name__), name)


class _Missing(MetaPathFinder):
    """Says at once of a library that it is not installed.

    `sys.modules[name] = None` says it, too, but pyarrow then takes None for the module.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == self._name:
            raise ModuleNotFoundError(f"no {fullname} here", name=fullname)


@functools.cache
def imported(name: str) -> ModuleType:
    """The module that a stand-in stands for."""
    if isinstance(sys.modules.get(name), _StandIn):
        del sys.modules[name]
    return importlib.import_module(name)


def loads() -> ModuleType:
    """The module of load jobs; it imports parts of pyarrow, which a stand-in hides."""
    imported("pyarrow")
    return imported(LOADS)


def _of_loads(function: str) -> Callable[..., Any]:
    return lambda *given: getattr(loads(), function)(*given)


bare_package.put("google.cloud.bigquery_storage_v1")
sys.meta_path.insert(0, _Missing("pandas"))
sys.modules["pyarrow"] = _StandIn("pyarrow")
_stand_in = sys.modules[LOADS] = _StandIn(LOADS)
# What is taken from it at the start.
_stand_in.run = _of_loads("run")  # type: ignore[attr-defined]
_stand_in.validate = _of_loads("validate")  # type: ignore[attr-defined]
