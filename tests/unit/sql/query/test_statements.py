"""Where statements end."""

import pytest

from sql.query.statements import names, quoted, split


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "SELECT ';'",
        'SELECT ";"',
        "SELECT ''';\n'''",
        'SELECT """;""" || "a"',
        "SELECT r'\\;'",
        "SELECT 'it\\'s;'",
        "SELECT `a;b` FROM t",
        "SELECT 1 -- one;\n + 1",
        "SELECT 1 # one;\n + 1",
        "SELECT /* one;\n */ 1",
        "SELECT CASE WHEN a THEN IF(b, 1, 2) END, begin FROM t",
        "BEGIN SELECT 1; SELECT 2; END",
        "BEGIN SELECT CASE WHEN a THEN 1 END; END",
        "IF a THEN SELECT 1; ELSE SELECT 2; END IF",
        "LOOP SELECT 1; BREAK; END LOOP",
        "WHILE a DO SELECT 1; END WHILE",
        "REPEAT SET a = 1; UNTIL a END REPEAT",
        "FOR r IN (SELECT 1) DO SELECT r; END FOR",
        "CREATE PROCEDURE p() BEGIN SELECT 1; IF a THEN SELECT 2; END IF; END",
        "BEGIN TRANSACTION",
        "BEGIN",
    ],
)
def test_a_statement_ends_at_its_own_semicolon(statement):
    assert split(f"{statement};\nSELECT 'next'; rest") == (
        [statement, "SELECT 'next'"],
        " rest",
    )


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "SELECT '''a; ",
        "SELECT 1 /* ; ",
        "BEGIN SELECT 1; ",
        "CREATE PROCEDURE p() BEGIN SELECT 1; ",
    ],
)
def test_a_statement_that_goes_on_is_the_rest(text):
    assert split(text) == ([], text)


@pytest.mark.parametrize("text", ["", " ;; ", "-- only a comment\n", "/* a */ ; # b"])
def test_spaces_and_comments_are_no_statement(text):
    assert split(text) == ([], "")


def test_a_quote_that_is_not_closed_ends_with_its_line():
    """BigQuery then says where: the prompt does not wait for a quote forever."""
    assert split("SELECT 'a;\n").rest == "SELECT 'a;\n"
    assert split("SELECT 'a\n;").statements == ["SELECT 'a"]


def test_names_are_words_and_parts_of_quoted_paths():
    sql = "SELECT a.b FROM `p.d.t-1` -- c\n WHERE x = 'y'"
    assert list(names(sql)) == [
        *("SELECT", "a", "b", "FROM", "p", "d", "t-1", "WHERE", "x")
    ]


def test_a_quoted_name_cannot_end_its_quotes():
    assert quoted("a`b\\") == "`a\\`b\\\\`"
