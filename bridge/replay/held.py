"""Held: messages in BigQuery that the pipeline could not make rows of.

The view `iris_held` shows what became of each; a replay is recorded in `iris_replays`.
The dead letters themselves are changed only if BigQuery allows it: it cannot update
rows that were streamed in recently.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from google.api_core.exceptions import BadRequest, NotFound
from google.cloud import bigquery

from bridge.envelope import Envelope, fitting, rfc3339
from command.tables_path import TablesPath
from command.usage import UsageError

# A page is in memory at a time: its rows, and the bytes of their payloads.
PAGE_ROWS = 1_000
PAGE_BYTES = 8_000_000
# Rows that were streamed in cannot be changed for up to 90 minutes
# (https://cloud.google.com/bigquery/docs/data-manipulation-language#limitations).
BUFFER_MINUTES = 90

# A stream on Dataflow would refuse such a message again. So it is only published when
# the user names the reason, which is to say: when a drain reads it.
TOO_LARGE = "TOO_LARGE_FOR_SERVICE"
FAILED = ("WAITING", "FAILED_AGAIN")
IN_FLIGHT = "REPLAYED"
# Of letters with the same record only one is sent: both would become rows. So a letter
# in flight keeps the others back, also if the user selects only those.
SELECT_SQL = """
SELECT
  held_id, root_id, dataset, reason, state, message_id, attempt, replays,
  chosen, IFNULL(BYTE_LENGTH(payload), 0) AS payload_bytes, payload IS NULL AS absent,
  IF(chosen, payload, NULL) AS payload, IF(chosen, attributes, NULL) AS attributes
FROM (
  SELECT
    *,
    {conditions} AS fits,
    payload IS NOT NULL AND state IN UNNEST(@states) AND {named} AND ROW_NUMBER() OVER (
      PARTITION BY IFNULL(record_id, held_id)
      ORDER BY payload IS NULL, state != 'REPLAYED', held_utc, held_id
    ) = 1 AS chosen
  FROM `{path}.iris_held`
  WHERE ({conditions}) OR (state = 'REPLAYED' AND state NOT IN UNNEST(@states))
)
WHERE fits
"""
MARK_SQL = """
UPDATE `{path}.iris_dead_letters` AS letters
SET replayed_utc = replays.replayed_utc
FROM (
  SELECT held_id, MAX(replayed_utc) AS replayed_utc
  FROM `{path}.iris_replays`
  GROUP BY held_id
) AS replays
WHERE letters.dead_letter_id = replays.held_id
  AND (letters.replayed_utc IS NULL OR letters.replayed_utc < replays.replayed_utc)
  {bound}
"""
BOUND_SQL = (
    "AND letters.failed_utc < "
    f"TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL {BUFFER_MINUTES} MINUTE)"
)
NOT_TOO_LARGE_SQL = f"IFNULL(reason, '') != '{TOO_LARGE}'"
PLAN_FIELDS = ("dataset", "reason", "state", "chosen", "payload_bytes", "absent")


@dataclass(frozen=True)
class Selection:
    """What the user wants to replay.

    Attributes:
        reasons: The reason codes; empty for all.
        datasets: The IRIS datasets; empty for all.
        since: The first failure was then or later.
        until: The first failure was before.
        again: Also what was replayed and has no result yet.
    """

    reasons: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    again: bool = False


class Planned(NamedTuple):
    """What the replay does with one held message, without its payload."""

    dataset: str
    reason: str
    state: str
    chosen: bool
    payload_bytes: int
    absent: bool


class Replay(NamedTuple):
    """A message to publish, and the row of `iris_replays` that records it."""

    envelope: Envelope
    row: dict[str, Any]
    row_id: str


class Tables:
    """The tables that the pipeline writes to."""

    def __init__(self, client: bigquery.Client, path: TablesPath) -> None:
        self._client = client
        self._path = path

    def select(self, selection: Selection) -> "Snapshot":
        """Queries what is held, and chooses what to replay.

        Raises:
            UsageError: The view does not exist.
        """
        sql, parameters = select_statement(self._path, selection)
        config = bigquery.QueryJobConfig(query_parameters=parameters)
        try:
            job = self._client.query(sql, job_config=config)
            job.result(page_size=1)
        except NotFound:
            raise UsageError(
                f"{self._path}.iris_held does not exist: create it with `python -m sql "
                f"apply --project {self._path.project} "
                f"--dataset {self._path.dataset}`"
            ) from None
        return Snapshot(self._client, self._client.get_table(job.destination))

    def record(self, replays: Sequence[Replay]) -> None:
        """Records what Pub/Sub has received.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: BigQuery does not answer.
            RuntimeError: It refuses a row.
        """
        now = rfc3339(datetime.now(UTC))
        refused = self._client.insert_rows_json(
            f"{self._path}.iris_replays",
            [{**replay.row, "replayed_utc": now} for replay in replays],
            row_ids=[replay.row_id for replay in replays],
        )
        if refused:
            raise RuntimeError(f"BigQuery refuses a row of iris_replays: {refused[0]}")

    def mark(self) -> bool:
        """Sets `replayed_utc` of the dead letters; returns whether all could be set."""
        for bound in ("", BOUND_SQL):
            sql = MARK_SQL.format(path=self._path, bound=bound)
            try:
                self._client.query(sql).result()
            except BadRequest:  # some are still in the streaming buffer
                continue
            return not bound
        return False


class Snapshot:
    """The result of the query for what is held; BigQuery keeps it for a day."""

    def __init__(self, client: bigquery.Client, table: bigquery.Table) -> None:
        self._client = client
        self._table = table

    def plan(self) -> Iterator[Planned]:
        """What to do with each message, without the payloads."""
        fields = [each for each in self._table.schema if each.name in PLAN_FIELDS]
        rows = self._client.list_rows(
            self._table, selected_fields=fields, page_size=PAGE_ROWS
        )
        for row in rows:
            yield Planned(*(row[name] for name in PLAN_FIELDS))

    def read(self, page: range) -> list[Replay]:
        """The messages of a page that are chosen."""
        rows = self._client.list_rows(
            self._table, start_index=page.start, max_results=len(page)
        )
        return [replay_of(row) for row in rows if row["chosen"]]


def select_statement(path: TablesPath, selection: Selection) -> tuple[str, list[Any]]:
    """The statement that queries what is held, and its parameters.

    Args:
        path: Where the tables are.
        selection: What the user wants; its texts become parameters, never SQL.
    """
    states = [*FAILED, *([IN_FLIGHT] if selection.again else [])]
    parameters: list[Any] = [bigquery.ArrayQueryParameter("states", "STRING", states)]
    conditions = ["TRUE"]
    for name, column, texts in (
        ("reasons", "reason", selection.reasons),
        ("datasets", "dataset", selection.datasets),
    ):
        if texts:
            conditions.append(f"{column} IN UNNEST(@{name})")
            parameters.append(bigquery.ArrayQueryParameter(name, "STRING", texts))
    for name, sign, instant in (
        ("since", ">=", selection.since),
        ("until", "<", selection.until),
    ):
        if instant:
            conditions.append(f"held_utc {sign} @{name}")
            parameters.append(bigquery.ScalarQueryParameter(name, "TIMESTAMP", instant))
    named = "TRUE" if TOO_LARGE in selection.reasons else NOT_TOO_LARGE_SQL
    sql = SELECT_SQL.format(path=path, conditions=" AND ".join(conditions), named=named)
    return sql, parameters


def pages(plan: Iterable[Planned]) -> Iterator[range]:
    """Divides the plan into pages of rows that are in memory together.

    A payload above `PAGE_BYTES` has its own page; pages with nothing chosen are left
    out.
    """
    start = end = size_bytes = 0
    is_wanted = False
    for index, each in enumerate(plan):
        more_bytes = each.payload_bytes if each.chosen else 0
        is_full = index - start >= PAGE_ROWS or size_bytes + more_bytes > PAGE_BYTES
        if index > start and is_full:
            if is_wanted:
                yield range(start, index)
            start, size_bytes, is_wanted = index, 0, False
        size_bytes += more_bytes
        is_wanted = is_wanted or each.chosen
        end = index + 1
    if is_wanted:
        yield range(start, end)


def replay_of(row: Any) -> Replay:
    """The message that publishes a held one again, and the row that records it.

    Bytes and attributes are the original ones. New are `publish_id`, so that no dedup
    drops the message as the one that failed, `attempt`, and `replay_of`, which connects
    all results with the first failure. A second run after a crash has the same
    `publish_id`.
    """
    known = json.loads(row["attributes"] or "{}")
    attributes = {
        key: fitting(str(text))
        for key, text in known.items()
        if not key.startswith("goog")  # Pub/Sub reserves these names
    }
    attributes.setdefault("dataset", fitting(row["dataset"] or "unknown"))
    if row["message_id"] is not None:
        attributes.setdefault("message_id", fitting(row["message_id"]))
    row_id = f"{row['held_id']}-{row['replays'] + 1}"
    attributes["publish_id"] = fitting(
        attributes.get("message_id", ""), f"~replay-{row_id}"
    )
    attributes["attempt"] = str(row["attempt"] + 1)
    attributes["replay_of"] = row["root_id"]
    row_values = {
        **{
            name: row[name]
            for name in ("held_id", "root_id", "dataset", "message_id", "reason")
        },
        "publish_id": attributes["publish_id"],
        "attempt": row["attempt"] + 1,
    }
    return Replay(Envelope(bytes(row["payload"]), attributes), row_values, row_id)
