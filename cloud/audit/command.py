"""`python -m cloud audit`: advisories, secrets and licences of what is shipped."""

import argparse
import subprocess
from collections.abc import Callable, Iterator

from cloud.audit.advisories import AuditError, audit
from cloud.audit.licences import licences_of, packages_in
from cloud.audit.secrets import secrets_in_files, secrets_in_history
from cloud.images import LOCKS, ROOT
from command.usage import FAILED

SHIPPED = (
    *LOCKS.values(),
    ROOT / "requirements.lock",
    ROOT / "local/bigquery/requirements.lock",
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only",
        choices=CHECKS,
        help="one of the checks (default: all of them)",
    )


def run(options: argparse.Namespace) -> int:
    """Runs the checks; 1 if something is found, or could not be checked."""
    failed = False
    for name, check in CHECKS.items():
        if options.only in (None, name):
            problems = list(check())
            print(*(f"{name}: {one}" for one in problems), sep="\n", end="")
            print(f"{name}: nothing found" if not problems else "")
            failed = failed or bool(problems)
    return FAILED if failed else 0


def _advisories() -> Iterator[str]:
    for lock in SHIPPED:
        shown = lock.relative_to(ROOT)
        try:
            for line in audit(lock):
                yield f"{shown}: {line}"
        except AuditError as error:
            yield f"not checked: {error}; run it where there is a way to it"
            return


def _secrets() -> Iterator[str]:
    try:
        yield from map(str, secrets_in_files(ROOT))
        yield from map(str, secrets_in_history(ROOT))
    except (OSError, subprocess.CalledProcessError) as error:
        yield f"not checked: git does not answer: {error}"


def _licences() -> Iterator[str]:
    names = {name for lock in LOCKS.values() for name, _ in packages_in(lock)}
    for one in licences_of(names):
        if not one.is_accepted:
            yield f"{one.package} {one.version}: {one.expression}"


CHECKS: dict[str, Callable[[], Iterator[str]]] = {
    "advisories": _advisories,
    "secrets": _secrets,
    "licences": _licences,
}
