"""What a query will read, and what a terminal shows of its rows."""

import itertools

import pyarrow
import pytest
from google.cloud.bigquery import SchemaField

from command.usage import UsageError
from sql.query.command import check_size, first_rows
from sql.query.formats import Answer


def test_what_a_query_reads_is_said(capsys):
    check_size(1_234_567_890, None)
    assert capsys.readouterr().err == "reads 1.2 GB\n"


def test_a_query_that_reads_more_than_the_limit_does_not_run():
    with pytest.raises(
        UsageError, match=r"reads 2\.0 GB, and MAX_BYTES is 1\.0 GB: it did"
    ):
        check_size(2_000_000_000, 1_000_000_000)


def test_the_limit_itself_is_allowed(capsys):
    check_size(1_000, 1_000)
    assert capsys.readouterr().err == "reads 1.0 kB\n"


def test_a_terminal_takes_only_the_batches_that_it_shows():
    taken = []

    def batches():
        for number in itertools.count():
            taken.append(number)
            yield pyarrow.RecordBatch.from_pydict({"n": [number] * 4})

    answer = first_rows(Answer([SchemaField("n", "INTEGER")], batches()), 6)
    assert [row[0] for row in answer.rows()] == [0, 0, 0, 0, 1, 1]
    assert taken == [0, 1]
