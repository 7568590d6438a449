"""`python -m pipeline`: IRIS messages to BigQuery rows, streaming or from files."""

import atexit
import gc
import logging
import os
import sys

from command import network, signals
from command.left_out import leave_out, left_out

# Beam loads them wherever they are installed (findings/beam_imports.sh): with them its
# imports take half as long again. Those of a service are for files on Cloud Storage,
# too. pyarrow is imported later, by a run that makes Parquet files.
OTHERS = ("pymongo", "azure.identity", "pyarrow")
OF_A_SERVICE = (
    "apitools",
    "apache_beam.io.gcp.bigquery",
    "apache_beam.io.gcp.gcsfilesystem",
    "google.cloud.dataflow",
)


def _unused(arguments: list[str]) -> tuple[str, ...]:
    """The packages that a run with these arguments does not use."""
    if any("gs://" in text or text.startswith("--runner") for text in arguments):
        return OTHERS
    return OTHERS + OF_A_SERVICE


if __name__ == "__main__":
    # Arrow's own memory pool keeps what it has allocated: some 20 MB of a run over
    # files. Arrow reads this variable once, when it is imported, on the workers of a
    # service by Beam; `pipeline.bigquery.spool` does what can be done there.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

    network.go_past_proxy()
    leave_out("pandas", "IPython")
    # It warns of a package that is not there.
    logging.getLogger("apache_beam.io.mongodbio").setLevel(logging.ERROR)
    with signals.ending_at_once(), left_out(*_unused(sys.argv[1:])):
        from pipeline.command import main

    # The collector would walk through all of Beam once more at the end: half a second.
    atexit.register(gc.freeze)
    sys.exit(main())
