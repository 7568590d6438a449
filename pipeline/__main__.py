"""`python -m pipeline`: IRIS messages to BigQuery rows, streaming or from files."""

import atexit
import gc
import os
import sys

from command import signals
from command.left_out import leave_out

if __name__ == "__main__":
    # Arrow's own memory pool keeps what it has allocated: some 20 MB of a run over
    # files. Arrow reads this variable once, when it is imported, and Beam imports it;
    # `pipeline.bigquery.spool` does what can be done on the workers of a service.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

    leave_out("pandas", "IPython")
    with signals.ending_at_once():
        from pipeline.command import main

    # The collector would walk through all of Beam once more at the end: half a second.
    atexit.register(gc.freeze)
    sys.exit(main())
