"""History times: British local times in historic tables, beside Elexon's UTC.

In summer a local time contradicts the settlement date and period of its own row. A
table that has rows of winter only is undecided, and is not reported.
"""

from collections.abc import Iterator

from sql.check.context import Context, Result, Status
from sql.histories import SHIFT_MINUTES, History, command, find_histories, unclear_text
from sql.views.local_times import Reading, Said

NAME = "history_times"


def check(context: Context) -> Iterator[Result]:
    """Contradictions are a failure until the user says how to read the times."""
    existing = {
        item.table_id: item for item in context.client.list_tables(str(context.path))
    }
    results = [
        result
        for history in find_histories(
            context.client, context.path, context.registry, existing
        )
        for result in _results(context, history)
    ]
    yield from results or [
        Result(NAME, None, Status.OK, 0, "rows", "no historic table has times to check")
    ]


def _results(context: Context, history: History) -> Iterator[Result]:
    name, dataset = history.table.name, history.dataset.name
    if history.problem:
        detail = f"{name}: BigQuery refused to read its times: {history.problem}"
        yield Result(NAME, dataset, Status.WARN, None, "rows", detail)
    readings, unclear = history.readings, history.unclear()
    for column, evidence in history.evidence.items():
        reading = readings.get(column, Reading.UTC)
        is_tied = column in history.tied
        if not is_tied and reading == Reading.UTC:
            continue
        status, detail = Status.OK, f"{name}.{column}: read as {_words(reading)}"
        if column in history.contradicting:
            detail += f"; {history.found(column)}"
        if column in history.contradicting and reading == Reading.DOUBTFUL:
            status, detail = Status.FAIL, history.contradiction(column, context.path)
        elif reading == Reading.DISPUTED and column in history.contradicting:
            status = Status.WARN
            detail += _unless(context, Said.LOCAL, name)
        elif reading == Reading.LOCAL and evidence.utc and not evidence.local:
            status = Status.WARN
            detail += (
                f"; but all {evidence.utc:,} rows in summer time that have a "
                "settlement period are UTC, and are shown as UTC"
                + _unless(context, Said.UTC, name)
            )
        elif column in unclear:
            status, detail = Status.INFO, f"{detail}; {unclear_text(unclear[column])}"
        elif is_tied and reading == Reading.UTC and not evidence.summer:
            status = Status.INFO
            detail += "; no row in summer time shows whether that is right"
        elif evidence.others_prevail:
            status = Status.INFO
            others = evidence.summer - evidence.utc - evidence.local
            detail += (
                f"; {others:,} of {evidence.summer:,} rows in summer time contradict "
                "settlementDate and settlementPeriod, and local time does not explain "
                "it"
            )
        figures = {
            "table": name,
            "column": column,
            "reading": str(reading),
            "summer_rows": evidence.summer,
            "unclear_rows": unclear.get(column, 0),
            "shift_minutes": SHIFT_MINUTES if evidence.local else 0,
            "sampled": history.is_sample,
        }
        yield Result(NAME, dataset, status, evidence.local, "rows", detail, figures)


def _words(reading: Reading) -> str:
    return {
        Reading.LOCAL: "British local time",
        Reading.DOUBTFUL: "British local time where the row proves it",
    }.get(reading, "UTC")


def _unless(context: Context, said: Said, table: str) -> str:
    return f". If that is wrong, run `{command(context.path, said, table)}`"
