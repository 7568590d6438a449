"""What the tables say of the feed: counts of a day, what is held, what is late."""

import datetime as dt
from collections.abc import Iterator, Sequence

from google.cloud import bigquery

from command.tables_path import TablesPath
from command.text import listed
from pipeline.registry import load_registry
from sql.check.command import BEGINNING, run_checks
from sql.check.context import Context, Result, Status
from sql.connection import existing_tables
from sql.status.item import Item, State
from sql.tables import LEDGER
from sql.templates import fill

DAY = dt.timedelta(days=1)
# As far back as anything is looked for that was counted last.
LOOKBACK = dt.timedelta(days=10)
SHOWN = 6
STATES = {
    Status.OK: State.OK,
    Status.INFO: State.OK,
    Status.WARN: State.WARN,
    Status.FAIL: State.FAIL,
}
REPLAY = (
    "`python -m sql check --only {}` names them; when the cause is gone, "
    "`python -m bridge replay` makes rows of them"
)


def items_of(
    client: bigquery.Client, path: TablesPath, at: dt.datetime
) -> Iterator[Item]:
    """The items of the tables.

    Raises:
        UsageError: The BigQuery dataset does not exist.
    """
    tables = frozenset(existing_tables(client, path))
    context = Context(client, path, load_registry(), tables, at, 1, BEGINNING)
    if LEDGER.name not in tables:
        advice = (
            f"python -m sql apply --project {path.project} --dataset {path.dataset}"
        )
        yield Item(
            "tables", State.FAIL, f"no {LEDGER.name} in {path}", f"run `{advice}`"
        )
        return
    yield _ledger(context)
    results = run_checks(context, ["ledger", "dead_letters", "unmapped", "freshness"])
    yield _unbalanced(of("ledger", results))
    for name, title in (("dead_letters", "dead letters"), ("unmapped", "unmapped")):
        yield _held(title, name, of(name, results))
    yield _freshness(of("freshness", results))


def of(name: str, results: Sequence[Result]) -> list[Result]:
    return [result for result in results if result.check == name]


def _ledger(context: Context) -> Item:
    statement = fill("status/ledger.sql", path=context.path, table=LEDGER.name)
    bounds = {"from_time": context.at - DAY, "since": context.at - LOOKBACK}
    given = [
        bigquery.ScalarQueryParameter(k, "TIMESTAMP", v) for k, v in bounds.items()
    ]
    config = bigquery.QueryJobConfig(query_parameters=given)
    [row] = context.client.query_and_wait(statement, job_config=config)
    figures = dict(row.items())
    if row.last_utc is None:
        advice = "see docs/operations.md#nothing-arrives"
        says = f"nothing was counted in {LOOKBACK.days} days"
        if not context.client.get_table(f"{context.path}.{LEDGER.name}").num_rows:
            advice = f"the first counts come a minute after the start; later {advice}"
            says = "nothing was counted yet"
        return Item("ledger", State.FAIL, says, advice, figures)
    says = (
        f"24 hours: {row.messages:,} messages, {row.records:,} records = "
        f"{row.row_count:,} rows + {row.duplicates:,} duplicates + "
        f"{row.dead_letters:,} dead letters + {row.unmapped:,} unmapped; "
        f"last counted {age_text(context.at - row.last_utc)} ago"
    )
    return Item("ledger", State.OK, says, figures=figures)


def _unbalanced(results: Sequence[Result]) -> Item:
    wrong = [one for one in results if one.status is Status.FAIL]
    if not wrong:
        return Item("balance", State.OK, "every record has one end")
    names = listed([one.dataset or "all" for one in wrong], SHOWN)
    says = f"records without an end, or with two: {names}"
    return Item("balance", State.FAIL, says, "run `python -m sql check --only ledger`")


def _held(title: str, check: str, results: Sequence[Result]) -> Item:
    open_ = [one for one in results if one.status in (Status.FAIL, Status.WARN)]
    count = int(sum(one.measured or 0 for one in open_))
    if not open_:
        return Item(title, State.OK, "none waits", figures={"waiting": 0})
    state = max((STATES[one.status] for one in open_), key=list(State).index)
    names = listed(sorted({one.dataset or "unknown" for one in open_}), SHOWN)
    says, advice = f"{count:,} wait, of {names}", REPLAY.format(check)
    return Item(title, state, says, advice, {"waiting": count})


def _freshness(results: Sequence[Result]) -> Item:
    late = [one for one in results if one.status is Status.FAIL]
    known = [one for one in results if one.measured is not None]
    if not known:
        return Item("freshness", State.WARN, "no dataset has a row")
    if not late:
        return Item("freshness", State.OK, f"all {len(known)} datasets are on time")
    late.sort(key=lambda one: -(one.measured or 0))
    texts = [f"{one.dataset} ({_late_text(one)})" for one in late]
    says = f"{len(late)} of {len(results)} are late: {listed(texts, SHOWN)}"
    figures = {one.dataset or "": one.measured for one in late}
    advice = "see docs/operations.md#nothing-arrives, or #lag-grows"
    return Item("freshness", State.FAIL, says, advice, figures)


def _late_text(result: Result) -> str:
    if result.measured is None:
        return result.detail
    return age_text(dt.timedelta(minutes=result.measured))


def age_text(age: dt.timedelta) -> str:
    """`12 seconds`, `3 minutes`, `5 hours`, `2 days`."""
    seconds = max(0.0, age.total_seconds())
    for name, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{seconds:.0f} seconds"
