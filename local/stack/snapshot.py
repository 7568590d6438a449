"""Where the messages of a run are, at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from local.stack.summary import Delays, Ledger, total


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
        published: Messages that Pub/Sub has accepted from the bridge.
        in_flight: Messages that the bridge has received and not settled.
        backlog: Messages of an earlier run that waited in Pub/Sub at the start.
        delays: How long messages and rows took, by dataset; read at the end.
    """

    ledger: Ledger = field(default_factory=dict)
    sent: Mapping[str, int] | None = None
    exhausted: bool = False
    on_queue: int = 0
    refused: int = 0
    published: int = 0
    in_flight: int = 0
    backlog: int = 0
    delays: Mapping[str, Delays] = field(default_factory=dict)

    @property
    def expected(self) -> int:
        """How many messages the ledger must show before all is accounted for.

        The bridge may have published a message twice, never less than once.
        """
        sent = sum((self.sent or {}).values())
        return max(self.published, sent - self.refused) + self.backlog

    def waiting_for(self) -> str | None:
        """What still has to happen; None when every message is accounted for.

        The part nearest to the tables is named first: the parts before it may be
        waiting for it.
        """
        counted = total(self.ledger).messages
        if (late := self.published + self.backlog - counted) > 0:
            return f"the pipeline to account for {late} messages"
        if (unwritten := total(self.ledger).unaccounted) > 0:
            return f"the pipeline to write {unwritten} records"
        if self.in_flight:
            return f"the bridge to settle {self.in_flight} messages"
        if self.on_queue:
            return f"the bridge to take {self.on_queue} messages from the IRIS queue"
        if self.sent is not None and not self.exhausted:
            return "the simulator to send more messages"
        if (lost := self.expected - counted) > 0:
            return f"{lost} messages that were sent and have not arrived"
        return None
