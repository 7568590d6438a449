"""A format whose library is not there is refused before anything is read."""

import subprocess
import sys

import pytest

from gb_iris.frames import FORMATS, known_format
from local.process import ROOT

WITHOUT = """
from command.left_out import leave_out
leave_out({name!r})
from command.usage import UsageError
from gb_iris.frames import known_format
print(known_format("arrow"))
try:
    known_format({name!r})
except UsageError as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_a_library_that_is_not_installed_is_one_line(name):
    program = WITHOUT.format(name=name)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    line = f"format: {name} is not installed; `pip install {name}` does it"
    assert done.stdout.splitlines() == ["arrow", line], done.stderr


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_known(name):
    assert known_format(name) == name
