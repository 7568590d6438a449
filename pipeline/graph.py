"""The graph: every source, every step, every table, on one screen."""

from typing import NamedTuple

import apache_beam as beam

from pipeline.steps.archive import ArchiveMessages
from pipeline.steps.decode import DecodeMessages
from pipeline.steps.dedup import DeduplicateRecords, Memory
from pipeline.steps.gather_ledger import GatherLedger
from pipeline.steps.load_rows import LoadRows
from pipeline.steps.write_rows import Inserter, WriteRows, WriteTable


class Plan(NamedTuple):
    """The parts of a graph that differ between runs.

    Attributes:
        source: Reads `Message`.
        memory: How dedup remembers what it has seen.
        dedup_horizon_hours: How long dedup remembers it.
        write_rows: Writes rows into the tables of their datasets.
        inserter: Inserts rows into the pipeline's own tables.
        bounded: Whether the run ends by itself; its ledger is then written last, and
            in one piece.
        archive_prefix: The folder of the raw archive; None for no archive.
        gather_archive: Whether to collect messages over bundles before archiving them.
        refuse_large: Whether to refuse what a stream on Dataflow cannot commit.
    """

    source: beam.PTransform
    memory: Memory
    dedup_horizon_hours: float
    write_rows: WriteRows | LoadRows
    inserter: Inserter
    bounded: bool = False
    archive_prefix: str | None = None
    gather_archive: bool = False
    refuse_large: bool = False


def build(pipeline: beam.Pipeline, plan: Plan) -> None:
    """Adds the steps to a pipeline.

    Rows stay in the global window from end to end: no step groups by time, so no row
    can be too late for its table.
    """
    messages = pipeline | "Read" >> plan.source
    decoded = messages | "Decode" >> DecodeMessages(refuse_large=plan.refuse_large)
    unique = decoded.rows | "Deduplicate" >> DeduplicateRecords(
        plan.memory, plan.dedup_horizon_hours
    )
    written = unique.rows | "Write rows" >> plan.write_rows

    dead_letters = (decoded.dead_letters, written.dead_letters)
    tables = {
        "iris_dead_letters": dead_letters | "Dead letters" >> beam.Flatten(),
        "iris_unmapped": decoded.unmapped,
    }
    done = [
        rows | f"Write {table}" >> WriteTable(table, plan.inserter)
        for table, rows in tables.items()
    ]
    if plan.archive_prefix:
        archive = ArchiveMessages(plan.archive_prefix, gather=plan.gather_archive)
        done.append(messages | "Archive" >> archive)

    entries = (decoded.ledger, unique.ledger, written.ledger)
    ledger = entries | "Ledger" >> beam.Flatten()
    if plan.bounded:
        ledger = ledger | "Gather ledger" >> GatherLedger(after=done)
    _ = ledger | "Write iris_ledger" >> WriteTable("iris_ledger", plan.inserter)
