#!/bin/sh
# apache_beam and the packages that happen to be installed beside it.
#
# One expects: `import apache_beam` loads Beam, and a connector loads its client when a
# pipeline uses it.
# What happens: the clients of MongoDB (which every installation has), Azure, Cloud
# Storage and Dataflow, and pyarrow, are loaded wherever they are installed, whatever the
# pipeline and its runner. Beside them a process that has done nothing yet has 400
# modules and 49 MB more. With a finder in `sys.meta_path` that says they are not there
# while Beam is imported, Beam works without them, and they can be imported afterwards.
# Tried with apache-beam 2.77.0, Python 3.11.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "apache-beam==2.77.0" "pyarrow==25.0.1" \
    "azure-identity==1.27.0" "google-apitools==0.5.31" "google-cloud-pubsub==2.34.0" \
    "google-cloud-storage==3.17.1" "google-cloud-dataflow-client==0.13.0"
cat >"$work/try.py" <<'END'
import importlib.metadata
import resource
import subprocess
import sys

OTHERS = (
    *("pymongo", "pyarrow", "azure.identity", "apitools"),
    *("google.cloud.storage", "google.cloud.dataflow"),
)


class NotThere:
    def find_spec(self, name, path=None, target=None):
        if name in OTHERS:
            raise ModuleNotFoundError(name, name=name)


def count(finders):
    """The modules, the memory in MB, and which of the others are loaded."""
    sys.meta_path[:0] = finders
    import apache_beam

    del sys.meta_path[: len(finders)]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    with apache_beam.Pipeline() as pipeline:
        pipeline | apache_beam.Create([1]) | apache_beam.Map(lambda number: number + 1)
    print(len(sys.modules), memory, *(name for name in OTHERS if name in sys.modules))


def seen(mode):
    command = [sys.executable, __file__, mode]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    modules, memory, *others = done.stdout.split()
    print(f"{mode}: {modules} modules, {memory} MB, of the others: {others or 'none'}")
    return int(modules), int(memory), others


if sys.argv[1:]:
    count([NotThere()] if sys.argv[1] == "hidden" else [])
    sys.exit()
print("apache-beam", importlib.metadata.version("apache-beam"))
(modules, memory, others), (fewer, less, none) = seen("installed"), seen("hidden")
if len(others) < 5 or none or modules - fewer < 300 or memory - less < 25:
    sys.exit("changed: it no longer loads what a pipeline does not use")
END
exec "$work/venv/bin/python" "$work/try.py"
