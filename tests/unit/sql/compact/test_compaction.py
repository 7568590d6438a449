"""What `compact` does without a BigQuery: limits, layouts, statements, the loop."""

import re

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from command.usage import UsageError
from pipeline.registry import load_registry
from sql.compact.bounded_queries import LEAST_BILLED_BYTES, MEBIBYTE, billed_bytes
from sql.compact.compaction import (
    Compaction,
    Day,
    Done,
    RowsLostError,
    Step,
    check,
    count_statement,
    deduplicate_statement,
    run_steps,
)
from sql.compact.table_layout import Days, layout_of

REGISTRY = load_registry()


def table(name, *columns, partition=None, **more):
    """A table as the service describes it: columns are `name TYPE` or `name TYPE[]`."""
    fields = [
        bigquery.SchemaField(
            column.split()[0],
            column.split()[1].removesuffix("[]"),
            mode="REPEATED" if column.endswith("[]") else "NULLABLE",
        )
        for column in columns
    ]
    made = bigquery.Table(f"p.d.{name}", schema=fields)
    if partition is not None:
        made.time_partitioning = bigquery.TimePartitioning(**partition)
    described = {**made.to_api_repr(), "type": more.get("type", "TABLE")}
    return bigquery.Table.from_api_repr(described)


def layout(name, *columns, day_column=None, ignored=(), **more):
    return layout_of(table(name, *columns, **more), REGISTRY, day_column, ignored)


@pytest.mark.parametrize(
    ("processed", "billed"),
    [
        (0, LEAST_BILLED_BYTES),
        (LEAST_BILLED_BYTES, LEAST_BILLED_BYTES),
        (LEAST_BILLED_BYTES + 1, 11 * MEBIBYTE),
        (12_345_678_901, 11774 * MEBIBYTE),
    ],
)
def test_a_query_is_billed_by_the_mebibyte_and_at_least_ten(processed, billed):
    assert billed_bytes(processed) == billed


def test_a_run_may_be_billed_as_the_sum_of_the_limits_of_its_queries():
    step = Step(Day("2025-10-26", 5, 1), 30 * MEBIBYTE, 3)
    plan = Compaction(layout("t", "settlementDate DATE"), None, 7, steps=(step, step))
    assert plan.bytes == 7 + 2 * (30 * MEBIBYTE + 3)
    limits = [billed_bytes(n) for n in (7, 30 * MEBIBYTE, 3, 30 * MEBIBYTE, 3)]
    assert plan.billed_bytes == sum(limits)


def test_notes_of_a_load_are_no_data_but_the_side_of_an_acceptance_is():
    found = layout(
        "bmrs_boav", "settlementDate STRING", "volume FLOAT", "_direction STRING",
        "_dataset STRING", "_window_from_utc STRING", "_window_to_utc STRING",
        "_ingested_utc STRING", "_source_columns STRING", "_source_api STRING",
        "_hash_source_cols STRING", "_hash_key STRING", "_fetched_date STRING",
        "_fetched_sp INTEGER", "source STRING", "_mine STRING", ignored=["_MINE"],
    )  # fmt: skip
    assert found.data_columns == ("settlementDate", "volume", "_direction")
    assert found.unknown_columns == ("_direction",)
    assert found.ingested_column == "_ingested_utc"


def test_columns_of_the_pipeline_are_no_data_where_there_is_a_record_id():
    columns = ("message_id STRING", "enqueued_utc TIMESTAMP", "extra STRING")
    historic = layout("bmrs_x", "settlementDate DATE", *columns)
    assert len(historic.data_columns) == 4
    fed = layout("bmrs_x_iris", "settlementDate DATE", "record_id STRING", *columns)
    assert fed.data_columns == ("settlementDate", "extra")
    assert "COALESCE(`record_id`, TO_JSON_STRING(" in count_statement(fed, None)


PARTITION = {"field": "publishTime"}


@pytest.mark.parametrize(
    ("found", "column", "partitioned"),
    [
        (layout("a", "publishTime DATETIME", "settlementDate DATE"),
         "settlementDate", False),
        (layout("a", "publishTime DATETIME", "settlementDate DATE",
                partition=PARTITION), "publishTime", True),
        (layout("bmrs_freq", "other STRING", "measurementTime STRING"),
         "measurementTime", False),
        (layout("bmrs_freq_iris", "measurementTime TIMESTAMP",
                partition={"field": "measurementTime"}), "measurementTime", True),
        # Copies of one row lie in the partitions of several loads.
        (layout("a", "settlementDate DATE", "ingested_utc TIMESTAMP",
                partition={"field": "ingested_utc"}), "settlementDate", False),
        (layout("a", "settlementDate DATE", "other DATETIME", day_column="OTHER"),
         "other", False),
    ],
)  # fmt: skip
def test_the_day_column_is_the_partition_then_settlement_date_then_event_time(
    found, column, partitioned
):
    assert (found.day_column, found.partitioned) == (column, partitioned)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (table("a", "settlementDate DATE", type="VIEW"), "a is a view"),
        (table("a", "settlementDate DATE", type="MATERIALIZED_VIEW"), "ialized view"),
        (table("a", "settlementDate DATE", partition={}), "by the time of loading"),
        (
            table("a", "day DATE[]", "n INTEGER"),
            "no known column holds the day",
        ),
    ],
)
def test_a_table_that_cannot_be_compacted_is_refused(made, text):
    with pytest.raises(UsageError, match=text):
        layout_of(made, REGISTRY)


BOUNDS = {
    "DATE": ('DATE "2025-10-26"', 'DATE "2025-10-26"'),
    "DATETIME": ('DATETIME "2025-10-26 00:00:00"',
                 'DATETIME "2025-10-26 23:59:59.999999"'),
    "TIMESTAMP": ('TIMESTAMP "2025-10-26 00:00:00+00"',
                  'TIMESTAMP "2025-10-26 23:59:59.999999+00"'),
}  # fmt: skip


@pytest.mark.parametrize("kind", BOUNDS)
def test_both_sides_of_the_merge_are_bounded_by_the_bare_column(kind):
    # A function around the column would have BigQuery read every partition.
    text = deduplicate_statement(layout("a", f"settlementDate {kind}"), "2025-10-26")
    text = re.sub(r"\s+", " ", text)
    first, last = BOUNDS[kind]
    within = f"`settlementDate` BETWEEN {first} AND {last}"
    assert f"WHERE {within} QUALIFY" in text
    assert f"WHEN NOT MATCHED BY SOURCE AND existing.{within} THEN DELETE" in text


def test_a_day_that_is_any_text_stays_a_literal():
    text = deduplicate_statement(layout("a", "settlementDate STRING"), '" OR TRUE --')
    assert '= "' not in text
    assert text.count(r'BETWEEN "\" OR TRUE --" AND "\" OR TRUE --"') == 2


def test_bounds_of_a_count_include_rows_without_a_day_only_if_asked():
    found = layout("a", "settlementDate DATE")
    bounds = ("2025-10-01", "2025-10-31")
    assert "IS NULL" not in count_statement(found, Days(*bounds))
    assert "OR `settlementDate` IS NULL" in count_statement(found, Days(*bounds, True))
    assert "WHERE" not in count_statement(found, None)


BEFORE = Day("2025-10-26", 60, 12)


@pytest.mark.parametrize("after", [(12, 12), (13, 13)])
def test_a_day_is_right_when_its_distinct_rows_are_there_once(after):
    check(BEFORE, Day("2025-10-26", *after))


@pytest.mark.parametrize("after", [(2, 2), (0, 0), (60, 12), (13, 12), (60, 11)])
def test_a_day_is_wrong_when_rows_went_or_copies_stayed(after):
    with pytest.raises(RowsLostError, match="2025-10-26 should hold 12 distinct"):
        check(BEFORE, Day("2025-10-26", *after))


def steps(count):
    return [Step(Day(f"day {number}", 3, 1), 0, 0) for number in range(count)]


def test_the_loop_stops_before_the_next_day():
    done, reported = Done(), []
    run_steps(
        steps(5), lambda step: 2, done, lambda *what: reported.append(what),
        lambda: len(reported) == 2,
    )  # fmt: skip
    assert (done.changed, done.removed_rows) == (["day 0", "day 1"], 4)
    assert [removed for _, removed in reported] == [2, 2]


def test_another_answer_of_the_service_ends_the_loop_with_what_was_done():
    done, days = Done(), steps(3)

    def remove(step):
        if step is days[1]:
            raise BadRequest("Query exceeded limit for bytes billed: 10485760.")
        return 2

    with pytest.raises(BadRequest):
        run_steps(days, remove, done, lambda *what: None, lambda: False)
    assert (done.changed, done.skipped) == (["day 0"], [])
