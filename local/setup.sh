#!/bin/sh
# Makes .venv, the environment of everything but the local BigQuery, from
# requirements.lock. It can run again, also after an interruption: `make` uses the
# environment only when .venv/complete exists, which is written last.
set -eu
cd "$(dirname "$0")/.."
log=.venv/install.log

say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 2; }

# Each candidate is run: pyenv has a shim for every version, which fails if that version
# is not selected.
runs() { "$1" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; }

find_python() {
    for candidate in python3 python3.13 python3.12 python3.11 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[123].*/bin/python; do
        if runs "$candidate"; then echo "$candidate"; return; fi
    done
    return 1
}

make_venv() {
    python=$(find_python) || fail "Python 3.11 or newer is needed; install it from" \
        "https://www.python.org/downloads or with your package manager"
    problem=$("$python" -m venv --clear .venv 2>&1) || fail "$python cannot make a" \
        "virtual environment (on Debian: apt install python3-venv):" $problem
}

# The lock file pins uv too, by hash.
install_uv() {
    awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements.lock >.venv/uv.lock
    .venv/bin/python -m pip install --quiet --require-hashes -r .venv/uv.lock
}

# Python writes bytecode when it imports. If that is switched off, each start would
# compile Beam again: 2.5 of 5 seconds. pip always compiles.
install_with_uv() {
    [ -x .venv/bin/uv ] || install_uv || return 1
    .venv/bin/uv pip sync --quiet --python .venv/bin/python \
        ${PYTHONDONTWRITEBYTECODE:+--compile-bytecode} \
        --require-hashes requirements.lock
}

install_with_pip() {
    .venv/bin/python -m pip install --quiet --require-hashes -r requirements.lock
}

explain() {
    if grep -Eqi 'fail.* build.*python-qpid-proton' "$log"; then
        fail "python-qpid-proton is compiled on this machine: install a C compiler and" \
            "Python's headers (Debian: apt install build-essential python3-dev); see $log"
    fi
    tail -n 15 "$log" >&2
    fail "the packages could not be installed; the whole log is $log"
}

runs .venv/bin/python || make_venv
say "installing Python packages into .venv (a minute or two, once)"
install_with_uv >"$log" 2>&1 || install_with_pip >>"$log" 2>&1 || explain
touch .venv/complete
say "done"
