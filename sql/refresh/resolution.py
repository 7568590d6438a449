"""The resolution of a dataset: what is new, and what brings its table up to date."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple, Self

from google.cloud import bigquery

from command.tables_path import TablesPath
from pipeline.registry import Dataset
from sql.apply import conflicts
from sql.tables import runs_table
from sql.templates import fill
from sql.views import historic
from sql.views.resolved import resolved_parts

# No table was resolved by it.
NONE = "none"


class Changes(NamedTuple):
    """What is not in the table yet.

    Attributes:
        units: In how many units.
        from_utc: From when on; None if nothing is new.
        to_utc: Until when.
    """

    units: int
    from_utc: dt.datetime | None
    to_utc: dt.datetime | None


class Resolution(NamedTuple):
    """The table of one dataset, and the statements that read and change it.

    Attributes:
        view: The view that reads the table.
        runs: `project.dataset.table`.
        touched: The query of what is new.
        merge: The statement that brings the table up to date.
    """

    view: str
    runs: str
    touched: str
    merge: str

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        path: TablesPath,
        histories: Sequence[historic.Mapping] = (),
        *,
        rebuild: bool = False,
    ) -> Self:
        """The resolution of a dataset.

        Args:
            dataset: One of `RESOLVED`.
            path: Where its tables are.
            histories: Its mapped historic tables.
            rebuild: Whether nothing that the table has counts.
        """
        parts = resolved_parts(dataset, path, histories)
        parts["known"] = NONE if rebuild else parts["definition"]
        columns = runs_table(dataset).columns
        return cls(
            f"{dataset.stem}_resolved",
            parts["runs"],
            fill("refresh/touched.sql", **parts),
            fill("refresh/merge.sql", **parts, columns=columns),
        )

    def changes(self, client: bigquery.Client) -> Changes:
        """What is not in the table yet."""
        [row] = client.query_and_wait(self.touched)
        return Changes(row.units, row.from_utc, row.to_utc)

    def update(self, client: bigquery.Client) -> None:
        """Brings the table up to date, in one statement.

        It may be made twice, so it is made again if it meets that of another run.
        """
        conflicts.run(client, self.merge)
