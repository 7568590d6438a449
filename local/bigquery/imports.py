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
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from command.left_out import leave_out
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


def _delay() -> None:
    bare_package.put("google.cloud.bigquery_storage_v1")
    leave_out("pandas")
    sys.modules["pyarrow"] = _StandIn("pyarrow")
    stand_in: Any = _StandIn(LOADS)
    # What is taken from it at the start.
    stand_in.run, stand_in.validate = _of_loads("run"), _of_loads("validate")
    sys.modules[LOADS] = stand_in


# Where something else imports this module, everything stays as it is.
if find_spec("local_bigquery") is not None:
    _delay()
