"""The gathered ledger: one entry a dataset, after what it waits for."""

import apache_beam as beam
from apache_beam.testing import test_pipeline

from pipeline.core.batches import TableRow
from pipeline.steps.gather_ledger import GatherLedger
from pipeline.steps.ledger import COUNTS

SEEN = []


def note(element, name):
    """A step that notes its turn, and gives nothing."""
    SEEN.append((name, element))
    return []


def entry(number, dataset, minute, **counts):
    values = {**dict.fromkeys(COUNTS, 0), **counts}
    values |= {"dataset": dataset, "minute_utc": f"2026-05-08T00:{minute:02}:00Z"}
    return TableRow(dataset, str(number), values)


def gathered(entries):
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
            | GatherLedger(after=[done])
            | "Write" >> beam.FlatMap(note, "ledger")
        )
    return [element for name, element in SEEN if name == "ledger"]


def test_entries_of_a_dataset_are_one_over_all_minutes():
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


def test_nothing_is_given_before_all_else_is_done():
    gathered([entry(1, "FREQ", 1, messages=1)])
    assert [name for name, _ in SEEN] == ["row", "row", "row", "ledger"]
