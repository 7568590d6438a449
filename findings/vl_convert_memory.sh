#!/bin/sh
# A function of vl-convert that returns a text leaves more than 100 MB in the process.
#
# One expects: javascript_bundle() returns 0.9 MB of JavaScript that the wheel contains,
# and a server can call it once when it starts.
# What happens: it starts a JavaScript engine, which has the bundle made, and which stays
# in the process until it ends: more than 100 MB that nothing frees. (A drawing made later
# uses the same engine.) In a process of its own the call leaves nothing.
# Tried with vl-convert-python 1.9.0.post1, Python 3.11, on Linux.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet vl-convert-python==1.9.0.post1
cat >"$work/try.py" <<'END'
import gc
import subprocess
import sys
from importlib.metadata import version

import vl_convert

MAKE = "import sys, vl_convert; sys.stdout.write(vl_convert.javascript_bundle())"


def resident_mb():
    with open("/proc/self/status") as status:
        line = next(one for one in status if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def growth_mb(make):
    before = resident_mb()
    size = len(make())
    gc.collect()
    return resident_mb() - before, size


def in_another_process():
    command = [sys.executable, "-c", MAKE]
    return subprocess.run(command, capture_output=True, check=True).stdout


print("vl-convert-python", version("vl-convert-python"))
apart, size = growth_mb(in_another_process)
print(f"in a process of its own: {size:,} bytes returned, {apart:.0f} MB more here")
here, size = growth_mb(vl_convert.javascript_bundle)
print(f"in this process: {size:,} bytes returned, {here:.0f} MB more")
sys.exit(not (size < 2_000_000 and here > 80 and apart < 20))
END
if "$work/venv/bin/python" "$work/try.py"; then
    echo "as described: the engine stays in the memory of the process"
else
    echo "changed: see above" >&2
    exit 1
fi
