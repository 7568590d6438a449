"""The ids of rows: the record, and in a set of a message also the message."""

import pytest

from pipeline.bigquery.inserts import RecordInsert
from pipeline.core.batches import RowBatch
from pipeline.core.decoding import typed_record
from pipeline.core.row_ids import row_id_of, row_key, row_key_sql
from pipeline.registry import load_registry

RECORD = typed_record("FREQ", "0" * 32, {}, 0)


def batch(dataset, message_id="m", source="IRIS"):
    metadata = {"source": source, "message_id": message_id, "enqueued_utc": None}
    return RowBatch(dataset, metadata, {}, [RECORD])


def only_id(*args, **kwargs):
    (found,) = batch(*args, **kwargs).row_ids
    return found


def test_most_rows_are_recognised_by_their_record_alone():
    assert only_id("FREQ", "a") == only_id("FREQ", "b") == RECORD.record_id


def test_rows_of_two_publications_of_a_set_are_two():
    assert only_id("PN", "a") != only_id("PN", "b")
    assert only_id("PN", "a") == only_id("PN", "a", source="IRIS_ARCHIVE")


def test_answers_of_the_api_are_of_one_origin():
    assert only_id("PN", "a", "INSIGHTS_API") == only_id("PN", "b", "INSIGHTS_API")
    assert only_id("PN", "a", "INSIGHTS_API") != only_id("PN", "a")


def test_a_message_without_a_name_is_an_origin_too():
    assert only_id("PN", None) == only_id("PN", "") != only_id("PN", "a")


@pytest.mark.parametrize("dataset", ["FREQ", "PN"])
@pytest.mark.parametrize("message_id", ["a", None])
def test_a_stored_row_has_the_id_with_which_it_was_inserted(dataset, message_id):
    insert = RecordInsert(batch(dataset, message_id), RECORD)
    assert insert.insert_id == only_id(dataset, message_id)
    assert row_id_of(load_registry()[dataset], insert.values) == insert.insert_id


def test_the_key_of_a_row_in_python_and_in_sql():
    freq, pn = load_registry()["FREQ"], load_registry()["PN"]
    row = {"record_id": "r", "message_id": "m", "source": "IRIS"}
    assert (row_key(freq, row), row_key_sql(freq)) == ("r", "record_id")
    assert row_key(pn, row) == "r m"
    assert row_key(pn, {**row, "source": "INSIGHTS_API"}) == "r INSIGHTS_API"
    assert row_key_sql(pn).startswith("CONCAT(record_id, ' ', ")
