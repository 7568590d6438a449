"""Paths of fields, and back again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.paths import join, names

NAME = st.one_of(st.text(), st.text('.[]"\\a0', max_size=6), st.just("\ud800."))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("note", ("note",)),
        ("outageProfile[0].note", ("outageProfile", "note")),
        ('["a.b"]', ("a.b",)),
        ('a["x[0]"].b', ("a", "x[0]", "b")),
        ('[""]', ("",)),
    ],
)
def test_the_names_along_a_path(path, expected):
    assert names(path) == expected


@given(st.lists(st.tuples(NAME, st.booleans()), min_size=1, max_size=4))
def test_any_names_come_back(steps):
    path = ""
    for name, is_array in steps:
        path = join(path, name) + ("[3]" if is_array else "")
    assert names(path) == tuple(name for name, _ in steps)
