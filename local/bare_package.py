"""A package of one of Google's APIs, without its clients.

Such a package imports its clients first, and with them `google.auth`, `requests` and
`cryptography`: some 20 MB that a server of the API does not need. Its messages are a
part, `types`, that needs none of them.
"""

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType


def put(name: str) -> None:
    """Puts a package into `sys.modules` whose own code has not run.

    Its modules can be imported, and nothing else of it is there.

    Args:
        name: Of the package.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    spec = find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"no package {name}", name=name)
    package = ModuleType(name)
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules[name] = package


def types_of(name: str) -> ModuleType:
    """The messages of a package, which can still be imported whole afterwards.

    Args:
        name: Of the package.
    """
    types = f"{name}.types"
    if name in sys.modules:
        return importlib.import_module(types)
    put(name)
    try:
        return importlib.import_module(types)
    finally:
        del sys.modules[name]
