"""All views and table functions, in the order in which they can be made."""

from collections.abc import Iterator, Mapping, Sequence

from command.tables_path import TablesPath
from pipeline.registry import Registry
from sql.tables import RESOLVED
from sql.views import historic
from sql.views.latest import latest_between, latest_view, prunes
from sql.views.resolved import resolved_between, resolved_view
from sql.views.unified import unified_view
from sql.views.view import Function, View


def all_views(
    registry: Registry,
    path: TablesPath,
    histories: Mapping[str, Sequence[historic.Mapping]],
) -> Iterator[View]:
    """Every view but `iris_held`, each after those that it reads.

    Args:
        registry: The datasets.
        path: Where the tables are.
        histories: The mapped historic tables, by the name of the dataset.
    """
    for dataset in registry.values():
        mapped = histories.get(dataset.name, ())
        yield unified_view(dataset, path, mapped)
        yield latest_view(dataset, path, mapped)
        if dataset.name in RESOLVED:
            yield resolved_view(dataset, path, mapped)


def all_functions(
    registry: Registry,
    path: TablesPath,
    histories: Mapping[str, Sequence[historic.Mapping]],
) -> Iterator[Function]:
    """Every table function; the arguments are those of `all_views`."""
    for dataset in registry.values():
        if not prunes(dataset):
            yield latest_between(dataset, path)
        if dataset.name in RESOLVED:
            yield resolved_between(dataset, path, histories.get(dataset.name, ()))
