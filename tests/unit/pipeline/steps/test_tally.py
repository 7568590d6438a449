"""The tally of a bundle: by dataset and minute, with what says how fresh it is."""

import datetime as dt

import pytest

from pipeline.core.batches import RowBatch, row_batch
from pipeline.core.decoding import Message, decode
from pipeline.steps.ledger import Tally, epoch_seconds, merged, without_minutes

NOW = dt.datetime(2026, 5, 8, 3, 2, 30, tzinfo=dt.UTC)
PUBLISHED = "2026-05-08T03:00:59.123456789Z"


def message(second=0, published=PUBLISHED, dataset="FREQ", **attributes):
    body = (
        f'[{{"measurementTime":"2026-05-08T02:59:{second:02}Z","frequency":50.5}},'
        f'{{"measurementTime":"2026-05-08T02:58:{second:02}Z","frequency":50.5}}]'
    )
    named = {"dataset": dataset, "message_id": "m", "publish_id": "m", "source": "IRIS"}
    return Message(body.encode(), {**named, **attributes}, published)


def tally_of(*messages):
    tally = Tally()
    for each in messages:
        tally.add_message(each, decode(each, "2026-05-08T03:01:00.000Z"))
    return tally


def only_row(tally):
    (row,) = tally.rows(NOW)
    return row.values


def test_counts_are_by_dataset_and_the_minute_of_pubsub():
    tally = tally_of(
        message(), message(), message(published="2026-05-08T03:01:00Z"),
        message(dataset="NEW"), message(published=None),
    )  # fmt: skip
    found = {
        (row.dataset, row.values["window_start"]): row.values["messages"]
        for row in tally.rows(NOW)
    }
    assert found == {
        ("FREQ", "2026-05-08T03:00:00Z"): 2,
        ("FREQ", "2026-05-08T03:01:00Z"): 1,
        ("NEW", "2026-05-08T03:00:00Z"): 1,
        ("FREQ", None): 1,
    }
    assert {row.values["minute_utc"] for row in tally.rows(NOW)} == {
        "2026-05-08T03:02:00Z"
    }


def test_the_newest_event_is_that_of_the_newest_record():
    assert only_row(tally_of(message(7), message(5)))["newest_event_utc"] == (
        "2026-05-08T02:59:07Z"
    )


def test_a_day_is_its_midnight():
    body = b'[{"settlementDate":"2026-05-07","publishTime":"2026-05-08T02:00:00Z"}]'
    each = Message(body, {"dataset": "DISBSAD", "message_id": "b"}, PUBLISHED)
    assert only_row(tally_of(each))["newest_event_utc"] == "2026-05-07T00:00:00Z"


def test_the_way_to_pubsub_is_timed_by_message():
    values = only_row(
        tally_of(
            message(enqueued_time="2026-05-08T03:00:57.123Z"),
            message(enqueued_time="2026-05-08T03:00:58.122Z"),
            message(),
            message(enqueued_time="yesterday"),
        )
    )
    assert values["to_pubsub_count"] == 2
    assert values["to_pubsub_seconds_sum"] == 3.001
    assert values["to_pubsub_seconds_max"] == 2.0


@pytest.mark.parametrize("sent", [{"publish_id": "m~1"}, {"source": "IRIS_ARCHIVE"}])
def test_what_is_sent_again_long_after_its_time_is_not_timed(sent):
    values = only_row(tally_of(message(enqueued_time="2026-05-01T00:00:00Z", **sent)))
    assert (values["to_pubsub_count"], values["to_pubsub_seconds_max"]) == (0, None)
    assert values["messages"] == 1


def test_the_way_to_the_row_is_timed_by_row():
    first, second = (
        row_batch(each, decode(each, "2026-05-08T03:01:00.000Z"))
        for each in (
            message(enqueued_time="2026-05-08T03:00:57Z"),
            message(published="2026-05-08T03:00:58.123Z"),
        )
    )
    rows = [(batch, record) for batch in (first, second) for record in batch.records]
    tally = Tally()
    tally.add_written(rows, {1}, epoch_seconds(PUBLISHED) + 1.5)
    values = only_row(tally)
    assert (values["rows"], values["to_row_count"]) == (3, 3)
    assert values["to_row_seconds_sum"] == 1.5 + 2.5 + 2.5
    assert values["to_row_seconds_max"] == 2.5
    assert values["newest_enqueued_utc"] == "2026-05-08T03:00:57Z"


def test_rows_of_files_have_no_time():
    batch = RowBatch("FREQ", {}, {}, [])
    tally = Tally()
    tally.add_written([(batch, None)] * 2, {0}, NOW.timestamp())
    values = only_row(tally)
    assert (values["rows"], values["to_row_count"]) == (1, 0)
    assert values["window_start"] is values["to_row_seconds_max"] is None


def test_nothing_counted_leaves_no_row():
    tally = Tally()
    tally.add("FREQ", PUBLISHED, duplicates=2)
    tally.add("FREQ", PUBLISHED, duplicates=-2)
    assert list(tally.rows(NOW)) == []


def test_panes_stay_apart_when_rows_are_written():
    row = next(tally_of(message()).rows(NOW))
    late = row._replace(values={**row.values, "pane": 1})
    rows = merged([row, row, late])
    assert [each.values["messages"] for each in rows] == [2, 1]


def test_files_of_the_archive_have_no_minute():
    tally = tally_of(message(enqueued_time="2026-05-08T03:00:57Z"))
    (row,) = without_minutes(tally.rows(NOW))
    assert row.values["window_start"] is row.values["to_pubsub_seconds_max"] is None
    assert (row.values["messages"], row.values["to_pubsub_count"]) == (1, 0)
    assert row.values["newest_event_utc"] == "2026-05-08T02:59:00Z"
