"""The Beam pipeline: IRIS messages to typed, deduplicated BigQuery rows."""

import gc
import os

# Arrow's own pool keeps what it has had, some 20 MB of a run over files that nothing
# else can use then. Arrow looks here once, when it is imported.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

# The rows of a message come and go together, and no cycle is in them. From every 700
# new objects on, the default, the collector would walk through them again and again: a
# sixth of the time that large messages take.
gc.set_threshold(10_000)
