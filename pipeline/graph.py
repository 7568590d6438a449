"""The graph: every source, every step, every table, on one screen."""

from collections.abc import Sequence
from typing import NamedTuple

import apache_beam as beam

from pipeline.steps import coders
from pipeline.steps.archive import ArchiveMessages
from pipeline.steps.count_reasons import CountReasons
from pipeline.steps.decode import DecodeMessages
from pipeline.steps.dedup import DeduplicateRecords, Memory
from pipeline.steps.gather_ledger import GatherLedger
from pipeline.steps.load_rows import LoadRows
from pipeline.steps.sources import ReadFiles
from pipeline.steps.window_ledger import WindowLedger
from pipeline.steps.write_rows import Inserter, WriteRows, WriteTable
from pipeline.steps.write_windows import WriteRowWindows, WriteTableWindows


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
        write_window_seconds: How long rows gather by table in the state of the runner;
            None in one process, where they gather by bundle.
        sets_aside: Whether a table that accepts no rows leaves its messages for a later
            round.
        holds_waiting: Whether rows of such a table wait in a step of their own.
        refuse_large: Whether to refuse what a stream on Dataflow cannot commit.
        windowed_ledger: Whether the entries of the ledger gather in one-minute windows,
            in the state of the runner.
    """

    source: beam.PTransform
    memory: Memory
    dedup_horizon_hours: float
    write_rows: WriteRows | WriteRowWindows | LoadRows
    inserter: Inserter
    bounded: bool = False
    archive_prefix: str | None = None
    gather_archive: bool = False
    write_window_seconds: float | None = None
    sets_aside: bool = False
    holds_waiting: bool = False
    refuse_large: bool = False
    windowed_ledger: bool = False

    def write_table(self, table: str) -> beam.PTransform:
        """The step that writes one of the pipeline's own tables."""
        if self.write_window_seconds is not None:
            return WriteTableWindows(table, self.inserter, self.write_window_seconds)
        holds = self.holds_waiting
        return WriteTable(
            table,
            self.inserter,
            sets_aside=self.sets_aside,
            waiting=WriteTableWindows(table, self.inserter) if holds else None,
        )

    def ledger(self, done: Sequence[beam.PCollection]) -> beam.PTransform | None:
        """The step that gathers the entries of the ledger; None for bundle by bundle.

        Args:
            done: What a bounded run writes before its ledger.
        """
        if self.windowed_ledger:
            return WindowLedger()
        if self.bounded:
            loads = isinstance(self.write_rows, LoadRows)
            by_minute = not (loads or isinstance(self.source, ReadFiles))
            return GatherLedger(after=done, by_minute=by_minute)
        return None


def build(pipeline: beam.Pipeline, plan: Plan) -> None:
    """Adds the steps to a pipeline.

    Rows stay in the global window from end to end: no step groups them by time, so no
    row can be too late for its table. Only entries of the ledger may be in windows.
    """
    coders.register()
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
    if plan.bounded:
        tables = {
            table: rows | f"Reasons of {table}" >> CountReasons()
            for table, rows in tables.items()
        }
    done = [
        rows | f"Write {table}" >> plan.write_table(table)
        for table, rows in tables.items()
    ]
    if plan.archive_prefix:
        archive = ArchiveMessages(plan.archive_prefix, gather=plan.gather_archive)
        done.append(messages | "Archive" >> archive)

    entries = (decoded.ledger, unique.ledger, written.ledger)
    ledger = entries | "Ledger" >> beam.Flatten()
    if gather := plan.ledger(done):
        ledger = ledger | "Gather ledger" >> gather
    _ = ledger | "Write iris_ledger" >> plan.write_table("iris_ledger")
