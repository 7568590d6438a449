"""Statements: where one ends in a text of SQL, and the names that it has."""

import re
from collections.abc import Iterator
from typing import NamedTuple

# https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical. A string in
# single quotes ends with its line at the latest; the others and comments may go on.
_TOKEN = re.compile(
    r"""
    (?P<comment> --[^\n]* | \#[^\n]* | /\*.*?(?:\*/|(?P<open_comment>\Z)) )
    | (?P<text> (?:[rR][bB]?|[bB][rR]?)? (?:
        '{3} (?:\\.|(?!'{3}).)* (?:'{3}|(?P<open_text>\Z))
        | "{3} (?:\\.|(?!"{3}).)* (?:"{3}|(?P<open_text_2>\Z))
        | '(?:\\.|[^'\\\n])*'? | "(?:\\.|[^"\\\n])*"? ) )
    | (?P<quoted> `(?:\\.|[^`\\\n])*`? )
    | (?P<word> [^\W\d]\w* )
    | (?P<end> ; )
    | (?P<space> \s+ )
    | (?P<other> . )
    """,
    re.DOTALL | re.VERBOSE,
)
_OPEN = ("open_comment", "open_text", "open_text_2")
# Of the procedural language: each ends with END. IF is a function, too, and all but
# CASE may be names of columns: they count where a statement begins.
_BLOCKS = {"BEGIN", "CASE", "FOR", "IF", "LOOP", "REPEAT", "WHILE"}
_STATEMENT_FOLLOWS = {"BEGIN", "DO", "ELSE", "LOOP", "REPEAT", "THEN", ";", ":"}


class Split(NamedTuple):
    """A text of SQL.

    Attributes:
        statements: Those that end with `;`, which is left out.
        rest: What follows the last of them; empty if it is spaces and comments.
    """

    statements: list[str]
    rest: str


class _Blocks:
    """The blocks that are open while the words of a statement pass by."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.words: list[str] = []  # of the statement, `;` included

    def take(self, word: str, following: str) -> None:
        """Takes the next word, and the text that follows it."""
        before = self.words[-1] if self.words else ";"
        self.words.append(word)
        if word == "END":
            del self.open[-1:]
        elif before != "END" and word in _BLOCKS and self._opens(before, following):
            self.open.append(word)

    def _opens(self, before: str, following: str) -> bool:
        word = self.words[-1]
        if word == "CASE":
            return bool(self.open)
        if word == "BEGIN" and re.match(r"\s*(;|TRANSACTION\b|\Z)", following, re.I):
            return False
        in_case = self.open[-1:] == ["CASE"]
        starts = before in _STATEMENT_FOLLOWS and not in_case
        return starts or (word == "BEGIN" and "PROCEDURE" in self.words[:6])


def split(text: str) -> Split:
    """Splits a text at each `;` that ends a statement; blocks stay whole."""
    statements: list[str] = []
    start, blocks, is_blank = 0, _Blocks(), True
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if any(token.group(name) is not None for name in _OPEN):
            return Split(statements, text[start:])
        if kind == "end" and not blocks.open:
            if not is_blank:
                statements.append(text[start : token.start()].strip())
            start, blocks, is_blank = token.end(), _Blocks(), True
            continue
        if kind in ("word", "end", "other"):
            blocks.take(token.group().upper(), text[token.end() : token.end() + 40])
        is_blank &= kind in ("comment", "space")
    return Split(statements, "" if is_blank else text[start:])


def names(text: str) -> Iterator[str]:
    """The words and quoted names of a text, each part of a path by itself."""
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "word":
            yield token.group()
        elif token.lastgroup == "quoted":
            yield from token.group().strip("`").split(".")


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
