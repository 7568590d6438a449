"""The Beam pipeline: IRIS messages to typed, deduplicated BigQuery rows."""

import os

# Arrow's own pool keeps what it has had, some 20 MB of a run over files that nothing
# else can use then. Arrow looks here once, when it is imported.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
