"""The left ledger: rows of the ledger that a drain could not write in its rounds.

A repeated drain writes them in its next round. A drain that ends tries for a while, and
then puts them into its log: nothing else has the counts of its messages, which are
acknowledged.
"""

import json
import logging
import time
from threading import Event

from pipeline.bigquery.inserts import Insert
from pipeline.bigquery.waiting_tables import WAITING
from pipeline.steps.set_aside import ROUND
from pipeline.steps.write_rows import LEDGER, Inserter, note_waiting

# A fault of a moment is over by then, and a scheduled job still has time to end.
LEFT_SECONDS = 60.0

log = logging.getLogger(__name__)


def write(inserter: Inserter, stopping: Event, until: float) -> int:
    """Writes what is left of the ledger; tries at least once.

    Args:
        inserter: Writes rows.
        stopping: Set when the process must end.
        until: When to give up, on the monotonic clock.

    Returns:
        The number of rows that could not be written. They are in the log.
    """
    while rows := ROUND.take_ledger():
        inserts = [Insert(row.insert_id, row.values) for row in rows]
        refused = inserter({LEDGER: inserts})[LEDGER]
        note_waiting({LEDGER: [one._replace(waits=True) for one in refused]})
        if not refused:
            return 0
        ROUND.ledger = [rows[one.position] for one in refused]
        pause = WAITING.pause_seconds(LEDGER)
        if time.monotonic() + pause > until or stopping.wait(pause):
            break
    left = ROUND.take_ledger()
    for row in left:
        log.error("not in iris_ledger: %s", json.dumps(row.values))
    return len(left)
