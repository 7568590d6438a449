"""What the prompt takes without `;`."""

import pytest

from sql.shell.command import parts
from sql.shell.words import is_word


@pytest.mark.parametrize("line", ["help", " QUIT ;", "exit", "tables", "tables freq\n"])
def test_a_word_of_the_shell_needs_no_semicolon(line):
    assert is_word(line)


@pytest.mark.parametrize(
    "line", ["", ";", "SELECT 1", "help me", "tables a b", "quits"]
)
def test_other_lines_are_sql(line):
    assert not is_word(line)


def test_what_is_typed_may_have_several_statements():
    assert list(parts("SELECT 1; SELECT 2;\n")) == ["SELECT 1", "SELECT 2"]
    assert list(parts("tables freq")) == ["tables freq"]
