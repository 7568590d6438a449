"""Errors of the local BigQuery, in BigQuery's words and with the place in the SQL.

local-bigquery passes on what DuckDB or its parser says: names of internal functions,
types and classes, and no position. A text that is not known here loses at least its
prefix and the names of DuckDB's types.
"""

import difflib
import importlib
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb
from local_bigquery import errors
from local_bigquery.grpc import server as grpc_server
from local_bigquery.jobs import query, runner
from local_bigquery.sql import script, translate
from local_bigquery.sql.dialect import BigQueryDialect
from sqlglot import exp
from sqlglot.errors import ParseError
from sqlglot.parser import SENTINEL_NONE
from sqlglot.tokens import Token

from local.bigquery import machine
from local.bigquery.googlesql.tokens import place_of, unexpected

# How alike a name must be to be suggested instead of one that does not exist.
ALIKE = 0.75
CANDIDATES = re.compile(
    r"Candidate (?:bindings|Entries):(?: :)? (.*)|Did you mean: (.*)"
)
TYPES = {
    **errors.ARGUMENT_TYPES,
    "DOUBLE": "FLOAT64",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
    "INT32": "INT64",
    "INT128": "INT64",
    "HUGEINT": "INT64",
    "BIGINT": "INT64",
}
# The longest first: TIMESTAMP begins two of them.
TYPE_WORD = re.compile(
    r"\b(" + "|".join(sorted(TYPES, key=len, reverse=True)) + r")\b(\(\d+, ?\d+\))?"
)
DECIMAL_WORD = re.compile(r"\bDECIMAL\(\d+, ?\d+\)")
INTERNAL_NAME = re.compile(r"\bbq\.main\._?(\w+)")
UNREADABLE = "Syntax error: "


@dataclass
class Fault:
    """What DuckDB says of a statement.

    Attributes:
        match: Its message, as one of the patterns below understands it.
        tree: The statement, if it is known.
        candidates: The names that exist instead of one that does not.
    """

    match: re.Match[str]
    tree: Any
    candidates: list[str]

    def at(self, kind: Any, name: str) -> str:
        """Where a name is in nodes of the statement, such as ` at [1:8]`."""
        for node in self.tree.find_all(kind) if self.tree is not None else ():
            for part in node.find_all(exp.Identifier):
                if "line" in part.meta and part.name.casefold() == name.casefold():
                    return f" at [{errors.position(part)}]"
        return ""

    def function(self) -> Any:
        """The call in the statement that a function of DuckDB stands for, if known."""
        name = self.match["name"].upper()
        calls = [] if self.tree is None else list(self.tree.find_all(exp.Func))
        calls = [call for call in calls if "line" in call.meta]
        for call in calls:
            if name in {*call.sql_names(), call.name.upper()}:
                return call
        return calls[0] if len(calls) == 1 else None

    def similar(self) -> str:
        """A suggestion, if a name that exists is similar."""
        wanted = self.match["name"].casefold()
        by_folded = {name.casefold(): name for name in self.candidates}
        close = difflib.get_close_matches(wanted, by_folded, 1, ALIKE)
        return f"; Did you mean {by_folded[close[0]]}?" if close else ""


def _unrecognized(fault: Fault) -> str:
    name = fault.match["name"]
    return f"Unrecognized name: {name}{fault.similar()}{fault.at(exp.Column, name)}"


def _ambiguous(fault: Fault) -> str:
    name = fault.match["name"]
    return f"Column name {name} is ambiguous{fault.at(exp.Column, name)}"


def _not_inside(fault: Fault) -> str:
    name, table = fault.match["name"], fault.match["table"]
    where = fault.similar() + fault.at(exp.Column, name)
    return f"Name {name} not found inside {table}{where}"


def _no_field(fault: Fault) -> str:
    name = fault.match["name"]
    place = fault.at((exp.Column, exp.Dot), name)
    return f"Field name {name} does not exist in STRUCT{fault.similar()}{place}"


def _not_grouped(fault: Fault) -> str:
    name = fault.match["name"]
    place = fault.at(exp.Column, name)
    return (
        f"SELECT list expression references column {name} which is neither grouped "
        f"nor aggregated{place}"
    )


def _not_present(fault: Fault) -> str:
    name = fault.match["name"]
    place = fault.at((exp.Column, exp.Identifier), name)
    return f"Column {name} is not present in the table{fault.similar()}{place}"


def _aggregate_in(fault: Fault) -> str:
    clause = fault.match["name"].strip()
    return f"Aggregate function is not allowed in {clause} clause"


def _overflow(fault: Fault) -> str:
    kind = "float" if fault.match["kind"] == "DOUBLE" else "int64"
    return f"{kind} overflow: {fault.match['name']}"


def _unparsed(fault: Fault) -> str:
    text = fault.match["name"].removeprefix("1970 ")
    return f'Failed to parse input string "{text}"'


def _number(fault: Fault) -> str:
    kind = "numeric" if "DECIMAL" in fault.match["kind"] else "int64"
    value = fault.match["name"]
    return f"{kind} out of range: {value}"


def _text(fault: Fault) -> str:
    kind = fault.match["kind"]
    name = fault.match["name"]
    if kind.startswith("DECIMAL"):
        return f"Invalid NUMERIC value: {name}"
    label = {"DOUBLE": "double", "BOOL": "bool"}.get(kind)
    if kind.startswith(("INT", "UINT")):
        label = "int64"
    return f"Bad {label} value: {name}" if label else f"Invalid {kind} value: {name}"


def _cast(fault: Fault) -> str:
    types = (google_types(fault.match[side]) for side in ("source", "target"))
    return "Invalid cast from {} to {}".format(*types)


def _signature(fault: Fault) -> str:
    name = fault.match["name"].upper()
    types = ", ".join(
        errors.ARGUMENT_TYPES.get(kind.split("(")[0], google_types(kind))
        for kind in fault.match["arguments"].split(", ")
    )
    what = "No matching signature for"
    call = fault.function()
    if not name[:1].isalpha():
        return f"{what} operator {name} for argument types: {types}"
    if call is None:
        return f"{what} function {name} for argument types: {types}"
    written = str(call.meta.get("bigquery_name") or call.name).upper()
    given = f" for argument types: {types}" if written == name else ""
    return f"{what} function {written}{given} at [{errors.position(call)}]"


RULES: list[tuple[str, str | Callable[[Fault], str]]] = [
    (
        r"(?:argument types|function call) ['\"](?P<name>[^(]+)\((?P<arguments>.*)\)"
        r"['\"]",
        _signature,
    ),
    (r"Ambiguous reference to column name \"(?P<name>[^\"]+)\"", _ambiguous),
    (
        r"Referenced column \"?(?P<name>[^\"]+?)\"? (?:was )?not found",
        _unrecognized,
    ),
    (r"Referenced table \"(?P<name>[^\"]+)\" not found", _unrecognized),
    (
        r"(?:Table|Values list) \"(?P<table>[^\"]+)\" does not have a column named "
        r"\"(?P<name>[^\"]+)\"",
        _not_inside,
    ),
    (r"Could not find key \"(?P<name>[^\"]+)\" in struct", _no_field),
    (
        r"Cannot extract field '(?P<name>[^']+)' from expression \"(?P<of>[^\"]+)\"",
        "Cannot access field {name} on a value that is not a STRUCT",
    ),
    (
        r"(?:Table \"[^\"]+\" does not have a column with name|Referenced update column"
        r"|Column) \"?(?P<name>[^\" ]+)\"?(?= not found in table|$| in \w+ list)",
        _not_present,
    ),
    (
        r"Column \"(?P<name>[^\"]+)\" does not exist on (?P<side>\w+) side of join",
        "Column {name} in USING clause not found on {side} side of join",
    ),
    (r"column \"(?P<name>[^\"]+)\" must appear in the GROUP BY", _not_grouped),
    (r"(?P<name>[A-Z ]+) clause cannot contain aggregates", _aggregate_in),
    (
        r"aggregate function calls cannot be nested",
        "Aggregations of aggregations are not allowed",
    ),
    (
        r"Set operations can only apply to expressions with the same number of result "
        r"columns",
        "Queries in a set operation have mismatched column count",
    ),
    (
        r"Subquery returns (?P<count>\d+) columns - expected 1",
        "Scalar subquery cannot have more than one column unless using SELECT AS "
        "STRUCT to build STRUCT values",
    ),
    (
        r"expected (?P<expected>\d+) columns but (?P<count>\d+) values were supplied",
        "Inserted row has wrong column count; Has {count}, expected {expected}",
    ),
    (
        r"has (?P<expected>\d+) columns but (?P<count>\d+) values were supplied",
        "Inserted row has wrong column count; Has {count}, expected {expected}",
    ),
    (r"Column with name (?P<name>\S+) already exists", "Column already exists: {name}"),
    (r"Overflow in \w+ of (?P<kind>\w+) \((?P<name>.*)\)", _overflow),
    (
        r"Type \w+ with value (?P<name>\S+) can't be cast because the value is out of "
        r"range for the destination type (?P<kind>\w+)",
        _number,
    ),
    (
        r"Could not cast value (?P<name>\S+) to (?P<kind>DECIMAL|INT)",
        _number,
    ),
    (
        r"Could not convert string ['\"](?P<name>.*)['\"] to (?P<kind>[\w(),]+)",
        _text,
    ),
    (
        r"(?P<kind>date|time|timestamp) (?:field value out of range|field format)?:? ?"
        r"\"(?P<name>[^\"]*)\"",
        "Invalid {kind}: '{name}'",
    ),
    (
        r"invalid (?P<kind>date|time|timestamp) field format: \"(?P<name>[^\"]*)\"",
        "Invalid {kind}: '{name}'",
    ),
    (r"Could not parse string \"(?P<name>.*?)\" according to format", _unparsed),
    (
        r"Unimplemented type for cast \((?P<source>.+) -> (?P<target>.+)\)",
        _cast,
    ),
    (
        r"extract specifier \"(?P<name>[^\"]+)\" not recognized",
        "A valid date part name is required but found {name}",
    ),
    (
        r"^Invalid Input Error: (?P<name>(?:missing|invalid|bad|unexpected|no argument)"
        r" .*: .*)",
        "Cannot parse regular expression: {name}",
    ),
    (
        r"Macro (?P<name>\w+)\(\) does not support the supplied arguments",
        "No matching signature for function {name}",
    ),
    (r"^Out of Memory Error", "Resources exceeded during query execution"),
    (
        r"^TransactionContext Error",
        "Could not serialize access to the table due to concurrent update: run the "
        "statement again",
    ),
    (
        r"Malformed JSON at byte (?P<name>\d+)",
        "Invalid JSON: syntax error at byte {name}",
    ),
]
COMPILED = [(re.compile(pattern), words) for pattern, words in RULES]


def of_duckdb(error: Exception, context: Any = None, tree: Any = None) -> Any:
    """An error of DuckDB as BigQuery's."""
    if fault := machine.fault_of(error):
        return fault
    message = str(error)
    first = message.split("\n")[0]
    for pattern, words in COMPILED:
        if match := pattern.search(first):
            fault = Fault(match, tree, _candidates(message))
            text = (
                words(fault) if callable(words) else words.format(**match.groupdict())
            )
            known = errors.from_duckdb(error, context, tree)
            reason = "duplicate" if known.reason == "duplicate" else "invalidQuery"
            return errors.BigQueryError(reason, text)
    known = errors.from_duckdb(error, context, tree)
    known.message = google_types(INTERNAL_NAME.sub(r"\1", known.message))
    return known


def google_types(text: str) -> str:
    """The text with BigQuery's names of types."""
    return TYPE_WORD.sub(lambda word: TYPES[word[1]], DECIMAL_WORD.sub("NUMERIC", text))


def _candidates(message: str) -> list[str]:
    found = CANDIDATES.search(message)
    return re.findall(r'"([^"]+)"', found[0]) if found else []


def of_exception(error: Exception) -> Any:
    """Any error as BigQuery's."""
    if fault := machine.fault_of(error):
        return fault
    known = errors.from_exception(error)
    is_duckdb = type(error).__module__.startswith(("duckdb", "_duckdb"))
    return of_duckdb(error) if is_duckdb else known


def _raise_error(parser: Any, message: str, token: Token = SENTINEL_NONE) -> None:
    """Raises an error of syntax that names the first token that does not fit."""
    token = token or parser._curr
    if token:
        found, place = unexpected(token), place_of(token)
    else:
        last = parser._prev
        found, place = "end of script", f"{last.line}:{last.col + 1}"
    expected = re.fullmatch(r"Expecting (\W)", message)
    wanted = f'Expected "{expected[1]}" but got ' if expected else "Unexpected "
    text = f"{UNREADABLE}{wanted}{found} at [{place}]"
    raise ParseError.new(text, description=text, line=token.line, col=token.col)


def syntax_error(error: Any, sql: str) -> Any:
    """An error of the parser as BigQuery's."""
    details = getattr(error, "errors", None) or [{}]
    text = str(details[0].get("description") or "")
    if text.startswith(UNREADABLE):
        return errors.BigQueryError("invalidQuery", text)
    return errors.syntax_error(error, sql)


class PlacedParser(script.Parser):
    """Splits a script into statements that keep their place in it.

    Before a statement stand as many lines as in the script, and in its line as many
    spaces, so that the positions in an error are those of the script.
    """

    def statement(self) -> Any:
        start = self.tokens[self.i].start
        lines = self.sql.count("\n", 0, start)
        column = start - 1 - self.sql.rfind("\n", 0, start)
        statement = super().statement()
        if statement.kind == "SQL":
            statement.text = "\n" * lines + " " * column + statement.text
        return statement


def install() -> None:
    """Replaces the errors of local-bigquery."""
    BigQueryDialect.Parser.raise_error = _raise_error
    query.from_duckdb = of_duckdb
    runner.from_exception = script.from_exception = of_exception
    grpc_server.from_exception = of_exception
    http: Any = importlib.import_module("local_bigquery.app")
    http.from_exception = of_exception
    # Without a handler for its type, an error also closes the client's connection.
    for kind in (duckdb.Error, sqlite3.Error, OSError, MemoryError):
        http.app.add_exception_handler(kind, http.handle_error)
    translate.syntax_error = script.syntax_error = syntax_error
    script.Parser = PlacedParser
