"""The gathered ledger: one entry a dataset and minute, after what it waits for."""

import apache_beam as beam
from apache_beam.testing import test_pipeline

from pipeline.core.batches import TableRow
from pipeline.steps.gather_ledger import GatherLedger
from pipeline.steps.ledger import COUNTS, EMPTY

SEEN = []


def note(element, name):
    """A step that notes its turn, and gives nothing."""
    SEEN.append((name, element))
    return []


def entry(number, dataset, minute, published=None, **counts):
    values = {**EMPTY, **counts, "window_start": published}
    values |= {"dataset": dataset, "minute_utc": f"2026-05-08T00:{minute:02}:00Z"}
    return TableRow(dataset, str(number), values)


def gathered(entries, **more):
    SEEN.clear()
    with test_pipeline.TestPipeline(runner="FnApiRunner") as pipeline:
        ledger = pipeline | "Entries" >> beam.Create(entries, reshuffle=False)
        rows = pipeline | "Rows" >> beam.Create(range(3), reshuffle=False)
        # A longer way than that of the ledger, which would come first by itself.
        for number in range(4):
            rows = rows | f"Spread {number}" >> beam.Reshuffle()
        done = rows | "Write rows" >> beam.FlatMap(note, "row")
        _ = (
            ledger
            | GatherLedger(after=[done], **more)
            | "Write" >> beam.FlatMap(note, "ledger")
        )
    return [element for name, element in SEEN if name == "ledger"]


def test_entries_of_a_dataset_are_one_over_all_minutes_of_counting():
    rows = gathered(
        [
            entry(1, "FREQ", 1, messages=2, records=5),
            entry(2, "BOD", 1, messages=1, records=1, rows=1),
            entry(3, "FREQ", 2, rows=4),
            entry(4, "FREQ", 3, duplicates=1),
        ]
    )
    found = {row.dataset: [row.values[name] for name in COUNTS] for row in rows}
    assert len(rows) == 2
    assert found == {"FREQ": [2, 5, 4, 1, 0, 0], "BOD": [1, 1, 1, 0, 0, 0]}


MINUTE, NEXT = "2026-05-08T00:00:00Z", "2026-05-08T00:01:00Z"


def test_each_minute_of_pubsub_has_a_row_unless_there_are_none():
    entries = [
        entry(1, "FREQ", 5, MINUTE, messages=1, to_row_count=1, to_row_seconds_sum=7.0),
        entry(2, "FREQ", 6, NEXT, messages=1, newest_event_utc=MINUTE),
        entry(3, "FREQ", 6, MINUTE, rows=2),
    ]
    found = {row.values["window_start"]: row.values for row in gathered(entries)}
    assert sorted(found) == [MINUTE, NEXT]
    assert (found[MINUTE]["messages"], found[MINUTE]["rows"]) == (1, 2)
    (row,) = gathered(entries, by_minute=False)
    assert (row.values["messages"], row.values["rows"]) == (2, 2)
    assert (row.values["window_start"], row.values["to_row_count"]) == (None, 0)
    assert row.values["newest_event_utc"] == MINUTE


def test_nothing_is_given_before_all_else_is_done():
    gathered([entry(1, "FREQ", 1, messages=1)])
    assert [name for name, _ in SEEN] == ["row", "row", "row", "ledger"]
