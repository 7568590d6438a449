"""Reading: one function from the name of a dataset to a data frame."""

import datetime as dt
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

import pyarrow as pa

from command.usage import UsageError
from gb_iris.axis import Axis, axis
from gb_iris.connection import connect
from gb_iris.failure import in_one_line
from gb_iris.frames import FORMATS, arrow, known_format
from gb_iris.interval import interval
from gb_iris.relation import Relation, relation
from gb_iris.statement import statement

if TYPE_CHECKING:
    import pandas
    import polars

When = dt.date | dt.datetime | str
Version = Literal["latest", "all"]


class Selection(TypedDict, total=False):
    """What `read` takes beside the name and the format."""

    start: When | None
    end: When | None
    version: Version
    columns: Sequence[str] | None
    where: Mapping[str, Any] | None
    time: str | None
    data: "str | PathLike[str] | None"
    project: str | None
    dataset: str | None


@overload
def read(
    name: str, *, format: Literal["pandas"] = ..., **selection: Unpack[Selection]
) -> "pandas.DataFrame": ...
@overload
def read(
    name: str, *, format: Literal["polars"], **selection: Unpack[Selection]
) -> "polars.DataFrame": ...
@overload
def read(
    name: str, *, format: Literal["arrow"], **selection: Unpack[Selection]
) -> pa.Table: ...


def read(
    name: str,
    *,
    start: When | None = None,
    end: When | None = None,
    version: Version = "latest",
    columns: Sequence[str] | None = None,
    where: Mapping[str, Any] | None = None,
    time: str | None = None,
    format: Literal["pandas", "polars", "arrow"] = "pandas",  # noqa: A002 - its plain name
    data: "str | PathLike[str] | None" = None,
    project: str | None = None,
    dataset: str | None = None,
) -> Any:
    """Reads a dataset, or a view such as `gb_units`.

    Without a project it reads the local tables, and starts the local BigQuery if it
    does not run. Rows are sorted by time.

    Args:
        name: A dataset of IRIS (`FUELINST`), or a table or view (`gb_outages_now`).
        start: From here on. A date is a settlement date where the rows have one, in
            Great Britain, and otherwise begins at midnight UTC. A time needs its zone.
        end: Until before here.
        version: `latest` for each thing once, or `all` for each version of it.
        columns: Only these. By default all that Elexon sends, of a view all.
        where: Values by column: one, several of which one fits, or None for NULL.
        time: The column that start and end mean, instead of the usual one.
        format: `pandas`, `polars` or `arrow`.
        data: The folder of the local tables; `.local` of the checkout by default.
        project: A Google Cloud project.
        dataset: The BigQuery dataset, `uk_energy_prod` by default.

    Raises:
        UsageError: A mistake that the text says how to correct.
        ReadError: BigQuery refuses, or does not answer.
    """
    known_format(format)
    asked = interval(start, end)
    with in_one_line():
        connection = connect(project, dataset, data)
        path, client, _, retry = connection
        source = relation(client, path, name, version, retry)
        times = axis(source, time)
        chosen = _columns(source, columns)
        query = statement(source, times, asked, chosen, where or {})
        rows = connection.rows(query)
    typed = arrow(rows, [source.fields[name] for name in chosen])
    return FORMATS[format](_sorted(typed, source, times))


def _columns(relation: Relation, columns: Sequence[str] | None) -> list[str]:
    if columns is None:
        return relation.usual_columns
    names = [columns] if isinstance(columns, str) else list(columns)
    if not names:
        raise UsageError("columns is empty: name some, or leave it out for all")
    return [relation.field(name, "columns").name for name in dict.fromkeys(names)]


def _sorted(rows: pa.Table, relation: Relation, axis: Axis) -> pa.Table:
    """The rows by time, then by what tells them apart, as far as these are columns."""
    dataset = relation.dataset
    keys = [*axis.columns, *(dataset.latest_key if dataset else ())]
    found = [name for name in dict.fromkeys(keys) if name in rows.column_names]
    return rows.sort_by([(name, "ascending") for name in found]) if found else rows
