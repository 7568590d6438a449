"""Where the messages of a run are, at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from local.stack.summary import Delays, Ledger, total
from pipeline.core.reasons import Reasons


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far a run has come.

    Attributes:
        ledger: What this run has counted so far, by dataset.
        sent: Messages put on the simulator's queue, by dataset; None for the real one.
        exhausted: Whether the simulator has sent all it had.
        on_queue: Messages ready or locked on the simulator's queue.
        refused: Messages that the bridge dead-lettered on the queue, as Pub/Sub
            cannot accept them.
        sessions: How often the bridge has connected to IRIS.
        trouble: Why its last attempt has failed; None if it is connected.
        published: Messages that Pub/Sub has accepted from the bridge.
        in_flight: Messages that the bridge has received and not settled.
        backlog: Messages of an earlier run that waited in Pub/Sub at the start.
        waiting: Messages that wait in Pub/Sub for the next run; read at the end.
        delays: How long messages and rows took, by dataset; read at the end.
        reasons: Why records did not become rows; read at the end.
    """

    ledger: Ledger = field(default_factory=dict)
    sent: Mapping[str, int] | None = None
    exhausted: bool = False
    on_queue: int = 0
    refused: int = 0
    sessions: int = 0
    trouble: str | None = None
    published: int = 0
    in_flight: int = 0
    backlog: int = 0
    waiting: int = 0
    delays: Mapping[str, Delays] = field(default_factory=dict)
    reasons: Reasons = field(default_factory=dict)

    @property
    def owed(self) -> int:
        """How many messages Pub/Sub has had for the pipeline."""
        return self.published + self.backlog

    @property
    def expected(self) -> int:
        """How many messages the ledger must show before all is accounted for.

        The bridge may have published a message twice, never less than once.
        """
        sent = sum((self.sent or {}).values())
        return max(self.published, sent - self.refused) + self.backlog

    @property
    def lost(self) -> int:
        """Messages that are neither counted nor waiting in Pub/Sub."""
        return max(0, self.owed - total(self.ledger).messages - self.waiting)

    @property
    def ever_connected(self) -> bool:
        """Whether the bridge has been connected to IRIS at all."""
        return bool(self.sessions or self.published or total(self.ledger).messages)

    def waiting_for(self) -> str | None:
        """What still has to happen; None when every message is accounted for.

        The part nearest to the tables is named first: the parts before it may be
        waiting for it.
        """
        if text := self.pipeline_owes():
            return text
        if self.in_flight:
            return f"the bridge to settle {self.in_flight} messages"
        if self.on_queue:
            return f"the bridge to take {self.on_queue} messages from the IRIS queue"
        if self.sent is not None and not self.exhausted:
            return "the simulator to send more messages"
        if (lost := self.expected - total(self.ledger).messages) > 0:
            return f"{lost} messages that were sent and have not arrived"
        return None

    def pipeline_owes(self) -> str | None:
        """What the pipeline still has to do; None when it is done."""
        if (late := self.owed - total(self.ledger).messages) > 0:
            return f"the pipeline to account for {late} messages"
        if (unwritten := total(self.ledger).unaccounted) > 0:
            return f"the pipeline to write {unwritten} records"
        return None
