"""All views and table functions, in the order in which they can be made."""

from collections.abc import Iterator, Mapping, Sequence

from command.tables_path import TablesPath
from pipeline.registry import Registry
from sql.views import historic
from sql.views.latest import latest_view
from sql.views.resolved import RESOLVED, resolved_between, resolved_view
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
        yield unified_view(dataset, path, histories.get(dataset.name, ()))
        yield latest_view(dataset, path, histories.get(dataset.name, ()))
        if dataset.name in RESOLVED:
            yield resolved_view(dataset, path)


def all_functions(registry: Registry, path: TablesPath) -> Iterator[Function]:
    """Every table function."""
    for dataset in registry.values():
        if dataset.name in RESOLVED:
            yield resolved_between(dataset, path)
