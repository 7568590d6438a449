"""docs/reliability.md says what the tests prove."""

import pytest

from tests.faults.reliability import PAGE, PARTS, Promise, page, promises

FOUND = list(promises())


def test_the_page_is_the_one_that_the_tests_write() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.faults.reliability"


@pytest.mark.parametrize("promise", FOUND, ids=lambda each: each.fault)
def test_each_promise_has_a_known_part_and_no_empty_cell(promise: Promise) -> None:
    assert promise.part in PARTS
    assert all(cell.strip() for cell in promise)


def test_the_tests_promise_something_of_each_part() -> None:
    assert {each.part for each in FOUND} == set(PARTS)
