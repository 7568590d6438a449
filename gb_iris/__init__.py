"""`from gb_iris import read`: the tables as pandas, polars or Arrow."""

from command.usage import UsageError

try:
    from gb_iris.reading import read
except ModuleNotFoundError as error:
    raise ImportError(
        f"gb_iris needs {error.name}: pip install 'gb-iris[read]'", name=error.name
    ) from error
from gb_iris.failure import ReadError

__all__ = ["ReadError", "UsageError", "read"]
