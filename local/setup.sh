#!/bin/sh
# Makes .venv, the environment of everything but the local BigQuery: for users from
# local/requirements.lock; with `developer`, or where that was done before, from
# requirements.lock, which has tests, linters and analyses besides. It can run again,
# also after an interruption: `make` uses the environment only when .venv/complete (or
# .venv/developer) exists, which is written last.
set -eu
cd "$(dirname "$0")/.."
log=.venv/install.log
lock=local/requirements.lock
[ "${1-}" != developer ] && [ ! -e .venv/developer ] || lock=requirements.lock

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
    need_index "$python"
    problem=$("$python" -m venv --clear .venv 2>&1) || fail "$python cannot make a" \
        "virtual environment (on Debian: apt install python3-venv):" $problem
    touch .venv/made
}

# An interruption may leave one without pip.
is_made() { [ -e .venv/made ] || [ -x .venv/bin/uv ]; }

# Without a network pip and uv would try for a minute. A Python without pip cannot tell.
need_index() {
    problem=$("$1" -m local.package_index 2>/dev/null) || true
    [ -z "$problem" ] || fail "$problem; connect, and run the command again"
}

# The lock file pins uv too, by hash.
install_uv() {
    awk '/^[^ ]/ { wanted = /^uv==/ } wanted' $lock >.venv/uv.lock
    .venv/bin/python -m pip install --quiet --require-hashes -r .venv/uv.lock
}

# Python writes bytecode when it imports. If that is switched off, each start would
# compile Beam again: 2.5 of 5 seconds. pip always compiles.
install_with_uv() {
    [ -x .venv/bin/uv ] || install_uv || return 1
    .venv/bin/uv pip sync --quiet --python .venv/bin/python \
        ${PYTHONDONTWRITEBYTECODE:+--compile-bytecode} \
        --require-hashes $lock
}

install_with_pip() {
    .venv/bin/python -m pip install --quiet --require-hashes -r $lock
}

# Scripts and notebooks have folders of their own: there, too, `import gb_iris` finds it.
show_checkout() {
    site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    pwd >"$site/gb-iris.pth"
}

explain() {
    if grep -Eqi 'fail.* build.*python-qpid-proton' "$log"; then
        fail "python-qpid-proton is compiled on this machine: install a C compiler and" \
            "Python's headers (Debian: apt install build-essential python3-dev); see $log"
    fi
    tail -n 15 "$log" >&2
    fail "the packages could not be installed; the whole log is $log"
}

{ runs .venv/bin/python && is_made; } || make_venv
need_index .venv/bin/python
say "installing Python packages into .venv (a minute or two, once)"
install_with_uv >"$log" 2>&1 || install_with_pip >>"$log" 2>&1 || explain
show_checkout
[ $lock != requirements.lock ] || touch .venv/developer
touch .venv/complete
say "done"
