"""Decode, flatten and coerce as one step of the graph."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics

from command.text import printable
from pipeline.core.batches import dead_letter_row, row_batch, unmapped_row
from pipeline.core.decoding import (
    Decoded,
    Message,
    collect_rarely,
    decode,
    utc_now,
)
from pipeline.core.inference import Samples
from pipeline.steps.ledger import Tally
from pipeline.steps.outputs import Outputs

# Enough to report every field of a large change once; the rest is in `extra` anyway.
MAX_REPORTED_FIELDS = 1000
_reported: set[tuple[str, str]] = set()
log = logging.getLogger(__name__)


class DecodeMessages(beam.PTransform):
    """`Message` to `.rows` (`RowBatch`) and three outputs of `TableRow`.

    Those are `.dead_letters`, `.unmapped` and `.ledger`.

    Args:
        refuse_large: Whether to refuse what a stream on Dataflow cannot commit.
    """

    def __init__(self, *, refuse_large: bool = False) -> None:
        super().__init__()
        self.refuse_large = refuse_large

    def expand(self, messages: beam.PCollection[Message]) -> Outputs:
        return messages | "Decode, flatten, coerce" >> beam.ParDo(
            _Decode(self.refuse_large)
        ).with_outputs("dead_letters", "unmapped", "ledger", main="rows")


class _Decode(beam.DoFn):
    """`Message` to everything that becomes of it."""

    def __init__(self, refuse_large: bool) -> None:
        self.refuse_large = refuse_large

    def setup(self) -> None:
        # Here, as every process that makes rows runs this step: `python -m pipeline`,
        # the local pipeline, and each worker of Dataflow, which gets the graph pickled
        # and runs neither `__main__` nor an initializer of ours.
        collect_rarely()

    def start_bundle(self) -> None:
        self.tally = Tally()
        self.now = utc_now()

    def process(self, message: Message) -> Iterator[Any]:
        decoded = decode(message, self.now, refuse_large=self.refuse_large)
        self.tally.add_message(message, decoded)
        if decoded.records:
            _report_unknown_fields(decoded)
            yield row_batch(message, decoded)
        for letter in decoded.dead_letters:
            attributes = message.attributes
            if letter.record_index is not None and decoded.corrected:
                # A replay has one record of them, without what was around it.
                attributes = {**attributes, **decoded.corrected}
            row = dead_letter_row(decoded.dataset, attributes, letter, self.now)
            yield beam.pvalue.TaggedOutput("dead_letters", row)
        if decoded.unmapped:
            row = unmapped_row(message, self.now)
            yield beam.pvalue.TaggedOutput("unmapped", row)

    def finish_bundle(self) -> Iterator[Any]:
        return self.tally.tagged_entries()


def _report_unknown_fields(decoded: Decoded) -> None:
    """Counts unknown fields, and logs each one once, with what to do about it."""
    for record in decoded.records:
        if record.extra is None:
            continue
        # Not orjson: it may hold integers and texts that orjson cannot read.
        for path, value in json.loads(record.extra).items():
            Metrics.counter("drift", "unknown_fields").inc()
            field = (decoded.dataset, path)
            if field in _reported or len(_reported) >= MAX_REPORTED_FIELDS:
                continue
            _reported.add(field)
            log.warning(
                "%s has an unknown field %s: `extra` keeps it; %s. `python -m sql "
                "drift` shows its values, and how to make it a column",
                decoded.dataset, printable(path), printable(_suggestion(value)),
            )  # fmt: skip


def _suggestion(value: Any) -> str:
    samples = Samples()
    samples.add(value)
    return samples.problem or f"this value fits {samples.column('').kind}"
