"""The resolved view: the position that results from overlapping declarations."""

from command.tables_path import TablesPath
from pipeline.registry import Dataset
from sql.templates import fill
from sql.views.view import Function, View

# Datasets whose records override each other in time.
RESOLVED = ("MELS", "MILS")
_RESOLVED_COLUMNS = (
    *("nationalGridBmUnit", "bmUnit", "settlementDate", "settlementPeriod"),
    *("timeFrom", "timeTo", "levelFrom", "levelTo"),
    *("notificationTime", "notificationSequence"),
)


def resolved_view(dataset: Dataset, path: TablesPath) -> View:
    """`bmrs_<dataset>_resolved`: the declaration in force at each instant."""
    return View(
        f"{dataset.stem}_resolved",
        tuple(dataset.column(name) for name in _RESOLVED_COLUMNS),
        fill("views/resolved.sql", source=f"{path}.{dataset.stem}_unified"),
        f"{dataset.title}: for each BM unit and instant the declaration in force.",
    )


def resolved_between(dataset: Dataset, path: TablesPath) -> Function:
    """`bmrs_<dataset>_resolved_between`: the same, and it reads only some days."""
    source = f"{path}.{dataset.stem}_unified"
    return Function(
        f"{dataset.stem}_resolved_between",
        "from_utc TIMESTAMP, to_utc TIMESTAMP, reach_days INT64",
        fill("views/resolved.sql", source=source, between=True),
        f"{dataset.title} from from_utc to to_utc, from declarations that started at "
        "most reach_days before (NULL: at any time).",
    )
