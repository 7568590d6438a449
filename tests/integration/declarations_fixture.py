"""Declarations that arrive, and the views that resolve them, in a dataset of a test."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from google.cloud import bigquery

from command.tables_path import TablesPath
from pipeline.registry import Registry, load_registry
from sql.__main__ import main
from sql.apply import apply_tables, apply_views
from sql.tables import RESOLVED, all_tables, runs_table
from sql.templates import fill

PROJECT = "gb-iris"
REGISTRY = Registry([load_registry()[name] for name in RESOLVED])
MELS = REGISTRY["MELS"]
ORIGIN = datetime(2026, 10, 24, 22, tzinfo=UTC)
# A row that arrives then is in the past of every mark but the first.
EARLY = ORIGIN - timedelta(days=9)
HISTORY = "bmrs_mels"
Row = dict[str, Any]


class Feed:
    """MELS in a dataset of its own: rows arrive, the views show them.

    Args:
        client: A client of the local BigQuery.
        dataset: The BigQuery dataset, which is made.
        history: Rows of a historic table; none if there is no such table.
    """

    def __init__(
        self, client: bigquery.Client, dataset: str, history: list[Row] | None = None
    ) -> None:
        self.client, self.dataset = client, dataset
        self.path = TablesPath(PROJECT, dataset)
        self.iris = f"{self.path}.{MELS.table}"
        names = {each.table for each in REGISTRY.values()}
        names |= {runs_table(each).name for each in REGISTRY.values()}
        wanted = [t for t in all_tables(load_registry()) if t.name in names]
        apply_tables(client, dataset, wanted, "EU")
        if history is not None:
            self._make_history(history)
        assert apply_views(client, dataset, REGISTRY).conflicts == []

    def _make_history(self, rows: list[Row]) -> None:
        self.run(
            f"CREATE TABLE {self.path}.{HISTORY} (settlementDate DATE, "
            "settlementPeriod INT64, timeFrom TIMESTAMP, timeTo TIMESTAMP, "
            "levelFrom INT64, levelTo INT64, notificationTime TIMESTAMP, "
            "notificationSequence INT64, nationalGridBmUnit STRING, bmUnit STRING) "
            "PARTITION BY settlementDate"
        )
        self.store(HISTORY, rows)

    def store(self, table: str, rows: list[Row]) -> None:
        name = f"{self.path}.{table}"
        schema = self.client.get_table(name).schema
        names = {field.name for field in schema}
        config = bigquery.LoadJobConfig(schema=schema)
        kept = [{k: v for k, v in row.items() if k in names} for row in rows]
        self.client.load_table_from_json(kept, name, job_config=config).result()

    def arrive(self, *rows: Row) -> None:
        self.store(MELS.table, list(rows))

    def run(self, sql: str) -> list[Row]:
        return [dict(row) for row in self.client.query_and_wait(sql)]

    def refresh(self, *options: str) -> int:
        return main(
            ["refresh", "--project", PROJECT, "--dataset", self.dataset, *options]
        )

    def runs(self) -> Counter[Any]:
        """The rows of the table, but for the mark, which has the time of the run."""
        return counted(
            self.run(
                f"SELECT * EXCEPT (until_utc) FROM {self.path}.{runs_table(MELS).name}"
            )
        )

    def shown(self) -> Counter[Any]:
        return counted(self.run(f"SELECT * FROM {self.path}.bmrs_mels_resolved"))

    def defined(self) -> Counter[Any]:
        """What all declarations give, resolved at once: the definition."""
        source = f"{self.path}.bmrs_mels_unified"
        return counted(self.run(fill("views/resolved.sql", source=source)))

    def between(self, *times: datetime, name: str = "") -> Counter[Any]:
        function = f"`{self.path}.{name or 'bmrs_mels_resolved_between'}`"
        said = ", ".join(f"TIMESTAMP '{time.isoformat()}'" for time in times)
        return counted(self.run(f"SELECT * FROM {function}({said}, NULL)"))

    def defined_between(self, *times: datetime) -> Counter[Any]:
        name = f"{self.path}.defined_between"
        source = f"{self.path}.bmrs_mels_unified"
        body = fill("views/resolved.sql", source=source, between=True)
        self.run(
            f"CREATE TABLE FUNCTION IF NOT EXISTS {name}(from_utc TIMESTAMP, "
            f"to_utc TIMESTAMP, reach_days INT64) AS ({body})"
        )
        return self.between(*times, name="defined_between")


def counted(rows: list[Row]) -> Counter[Any]:
    return Counter(tuple(row.items()) for row in rows)


def at_noon(level: int, **more: Any) -> Row:
    """A declaration of a half-hour; `more` are values of its columns."""
    start = datetime(2026, 10, 25, 12, tzinfo=UTC)
    row = {
        "dataset": "MELS",
        "settlementDate": "2026-10-25",
        "timeFrom": start.isoformat(),
        "timeTo": (start + timedelta(minutes=30)).isoformat(),
        "levelFrom": level,
        "levelTo": level,
        "notificationSequence": 1,
        "nationalGridBmUnit": "U-1",
        "ingested_utc": EARLY.isoformat(),
        **more,
    }
    return row | {"record_id": repr(row)}
