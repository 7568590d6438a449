"""What a replay publishes, how much of it is in memory, and how it is chosen."""

import json
from datetime import UTC, datetime

import pytest

from bridge.envelope import MAX_ATTRIBUTE_BYTES
from bridge.replay.held import (
    PAGE_BYTES,
    PAGE_ROWS,
    Planned,
    Selection,
    pages,
    replay_of,
    select_statement,
)
from command.tables_path import TablesPath

ATTRIBUTES = {
    "dataset": "REMIT",
    "message_id": "REMIT_202605060931_1",
    "publish_id": "REMIT_202605060931_1",
    "enqueued_time": "2026-05-06T09:31:07.123Z",
    "source": "IRIS_ARCHIVE",
    "delivery_count": "0",
}


def held(**values):
    return {
        "held_id": "f" * 32,
        "root_id": "f" * 32,
        "dataset": "REMIT",
        "message_id": ATTRIBUTES["message_id"],
        "reason": "WRONG_TYPE",
        "attempt": 1,
        "replays": 0,
        "payload": b'{"a":1}',
        "attributes": json.dumps(ATTRIBUTES),
        **values,
    }


def test_bytes_and_attributes_are_those_that_came():
    replay = replay_of(held())
    assert replay.envelope.data == b'{"a":1}'
    sent = replay.envelope.attributes
    assert {
        name: sent.pop(name) for name in ("publish_id", "attempt", "replay_of")
    } == {
        "publish_id": f"REMIT_202605060931_1~replay-{'f' * 32}-1",
        "attempt": "2",
        "replay_of": "f" * 32,
    }
    assert sent == {k: v for k, v in ATTRIBUTES.items() if k != "publish_id"}


def test_what_dataflow_would_refuse_again_is_published_only_by_name():
    path = TablesPath("p", "d")
    condition = "IFNULL(reason, '') != 'TOO_LARGE_FOR_SERVICE'"
    for reasons, left_out in (
        ((), True),
        (("WRONG_TYPE",), True),
        (("TOO_LARGE_FOR_SERVICE",), False),
    ):
        sql, _ = select_statement(path, Selection(reasons=reasons))
        assert (condition in sql) == left_out


def test_a_second_run_after_a_crash_has_the_same_publish_id_and_a_new_replay_another():
    first = replay_of(held()).envelope.attributes["publish_id"]
    assert replay_of(held()).envelope.attributes["publish_id"] == first
    others = [held(replays=1), held(held_id="e" * 32)]
    for other in others:
        assert replay_of(other).envelope.attributes["publish_id"] != first


def test_a_failure_again_belongs_to_what_failed_first():
    known = {**ATTRIBUTES, "publish_id": "x~replay-1", "attempt": "2", "replay_of": "a"}
    again = held(held_id="b", root_id="a", attempt=2, attributes=json.dumps(known))
    sent = replay_of(again).envelope.attributes
    assert (sent["replay_of"], sent["attempt"]) == ("a", "3")
    assert sent["publish_id"] == "REMIT_202605060931_1~replay-b-1"
    assert replay_of(again).row["root_id"] == "a"


@pytest.mark.parametrize("name", ["n" * 1024, "é" * 512, "n" * 5000])
def test_no_attribute_is_longer_than_pubsub_takes(name):
    known = json.dumps({**ATTRIBUTES, "message_id": name})
    sent = replay_of(held(message_id=name, attributes=known)).envelope.attributes
    assert all(len(text.encode()) <= MAX_ATTRIBUTE_BYTES for text in sent.values())
    assert sent["publish_id"].endswith(f"~replay-{'f' * 32}-1")
    assert sent["publish_id"] != sent["message_id"]


def test_a_letter_without_attributes_is_sent_under_its_dataset():
    sent = replay_of(held(attributes=None, message_id=None)).envelope.attributes
    assert sent["dataset"] == "REMIT"
    assert "message_id" not in sent
    assert sent["publish_id"] == f"~replay-{'f' * 32}-1"


def planned(size_bytes, *, chosen=True):
    return Planned("REMIT", "WRONG_TYPE", "WAITING", chosen, size_bytes, False)


def test_a_page_is_bounded_in_rows_and_bytes():
    small = [planned(10)] * (2 * PAGE_ROWS + 1)
    assert [len(page) for page in pages(small)] == [PAGE_ROWS, PAGE_ROWS, 1]
    large = [planned(PAGE_BYTES // 2)] * 5
    assert [len(page) for page in pages(large)] == [2, 2, 1]
    alone = [planned(1), planned(2 * PAGE_BYTES), planned(1)]
    assert list(pages(alone)) == [range(1), range(1, 2), range(2, 3)]


def test_pages_without_anything_chosen_are_not_read():
    left = [planned(PAGE_BYTES, chosen=False)] * (3 * PAGE_ROWS)
    assert list(pages(left)) == []
    (page,) = pages([*left, planned(5), *left])
    assert 3 * PAGE_ROWS in page
    assert list(pages([])) == []


def test_what_the_user_names_is_a_parameter_and_no_sql():
    selection = Selection(
        ("A' OR 1=1 --",), ("`d`",), since=datetime(2026, 5, 6, tzinfo=UTC)
    )
    sql, parameters = select_statement(TablesPath("p", "d"), selection)
    assert "OR 1=1" not in sql
    assert "`d`" not in sql
    assert {parameter.name for parameter in parameters} == {
        "states", "reasons", "datasets", "since"
    }  # fmt: skip


def test_what_is_in_flight_is_chosen_only_again():
    for again in (False, True):
        _, (states,) = select_statement(TablesPath("p", "d"), Selection(again=again))
        assert ("REPLAYED" in states.values) is again
        assert not {"ROW", "OPENED", "UNKNOWN_DATASET"} & set(states.values)
