"""What a person reads after a check."""

import re
from pathlib import Path

import pytest

from sql.check.command import CHECKS
from sql.check.context import Result, Status
from sql.check.report import NEXT, print_report

ROOT = Path(__file__).parents[4]


def result(check: str, status: Status) -> Result:
    return Result(check, "FREQ", status, 1, "rows", "what was found")


def test_a_failure_ends_with_what_to_do_next(capsys):
    results = [
        result("freshness", Status.FAIL),
        result("completeness", Status.FAIL),
        result("drift", Status.WARN),
    ]
    print_report(results, verbose=False)
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "FAIL",
        "what to do about freshness: docs/operations.md#nothing-arrives",
        "what to do about completeness: docs/operations.md#the-bridge-was-away",
    ]


def test_what_is_ok_needs_nothing(capsys):
    print_report([result("freshness", Status.OK)], verbose=False)
    assert capsys.readouterr().out.splitlines()[-1] == "OK"


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_has_a_section_to_read(check):
    page, _, anchor = NEXT[check].partition("#")
    headings = re.findall(r"^#+ (.*)", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor in [heading.lower().replace(" ", "-") for heading in headings]
