"""Findings: what a check found, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The result of a check. Whatever could not be checked is never `ok`."""

    OK = "ok"
    FAILED = "FAILED"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        name: The check's name.
        verdict: Its result.
        seen: What the check found, in one line; for `not known`, why it is not known.
        todo: What to do, in one line with the command; empty for nothing.
    """

    name: str
    verdict: Verdict
    seen: str
    todo: str = ""


def ok(name: str, seen: str) -> Finding:
    """It works."""
    return Finding(name, Verdict.OK, seen)


def failed(name: str, seen: str, todo: str) -> Finding:
    """It does not work."""
    return Finding(name, Verdict.FAILED, seen, todo)


def unknown(name: str, why: str, todo: str = "") -> Finding:
    """It could not be checked."""
    return Finding(name, Verdict.UNKNOWN, why, todo)


def any_failed(findings: Iterable[Finding]) -> bool:
    """Whether at least one check failed."""
    return any(finding.verdict is Verdict.FAILED for finding in findings)
