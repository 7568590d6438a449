"""Elements of `FORMAT_TIMESTAMP` and `PARSE_TIMESTAMP` (and of DATE, DATETIME, TIME).

DuckDB does not have them all, and gives some another meaning: its %g is milliseconds.
Source: GoogleSQL's page on format elements.
"""

import re
from typing import Any

from local_bigquery.errors import BigQueryError
from local_bigquery.sql.rules import datetime
from sqlglot import exp

MACROS_SQL = r"""
CREATE MACRO bq.main._all_seconds(t) AS strftime(t, '%S') ||
    CASE WHEN microsecond(t) % 1000000 = 0 THEN ''
    ELSE '.' || rtrim(lpad(CAST(microsecond(t) % 1000000 AS VARCHAR), 6, '0'), '0') END;
CREATE MACRO bq.main._two(n, fill) AS lpad(CAST(n AS VARCHAR), 2, fill);
CREATE MACRO bq.main._iso_day(t) AS lpad(CAST(1 + date_diff('day',
    date_trunc('week', make_date(CAST(isoyear(t) AS INTEGER), 1, 4)), CAST(t AS DATE)
) AS VARCHAR), 3, '0');
"""
ELEMENTS = re.compile(
    datetime.FORMAT_ELEMENTS.pattern[:-1] + "|%C|%e|%-d|%g|%J|%k|%l|%n|%t|%P)"
)
# What DuckDB calls them when it reads; the last ones hold for any white space.
READ = {
    **{"%R": "%H:%M", "%k": "%-H", "%l": "%-I", "%P": "%p", "%E4Y": "%Y"},
    **{"%E0S": "%S", "%n": " ", "%t": " "},
}
UNREADABLE = re.compile(r"%(?:[CGgJjQsUuVWwZX]|E(?!\*S|\dS|z|4Y))")
FRACTION = re.compile(r"%E(?:\*|[1-9])S")
PARSERS = (exp.StrToTime, exp.ParseDatetime, exp.ParseTime, exp.StrToDate)
format_element = datetime._element


def _element(piece: str, local: Any, instant: Any, zone: Any) -> Any:
    """One element of a format as the text of a time."""
    time = local.copy()
    match piece:
        case "%E*S":
            return datetime.macro("_all_seconds", time)
        case "%C":
            century = exp.func("floor", _divided(_part("year", time), 100))
            return _two(exp.cast(century, "BIGINT"), "0")
        case "%e" | "%-d":
            return _two(_part("day", time), " ")
        case "%g":
            year = exp.Mod(this=_part("isoyear", time), expression=exp.convert(100))
            return _two(year, "0")
        case "%J":
            return datetime.macro("_iso_day", time)
        case "%k":
            return _two(_part("hour", time), " ")
        case "%l":
            return _two(exp.cast(_strftime(time, "%-I"), "BIGINT"), " ")
        case "%n" | "%t":
            return exp.convert("\n" if piece == "%n" else "\t")
        case "%P":
            return exp.func("lower", _strftime(time, "%p"))
    return format_element(piece, local, instant, zone)


def _divided(number: Any, by: int) -> Any:
    return exp.Div(this=number, expression=exp.convert(by))


def _part(name: str, time: Any) -> Any:
    return datetime.call(name, time)


def _strftime(time: Any, element: str) -> Any:
    return datetime.call("strftime", time, element)


def _two(number: Any, fill: str) -> Any:
    return datetime.macro("_two", number, exp.convert(fill))


def parsed(tree: Any, _: object) -> Any:
    """Reads seconds with and without a fraction; refuses what DuckDB cannot read."""
    for node in list(tree.find_all(*PARSERS)):
        template = node.args.get("format")
        if not isinstance(template, exp.Literal):
            continue
        text = re.sub(r"%E4Y|%E0S|%.", lambda e: READ.get(e[0], e[0]), template.this)
        if wrong := UNREADABLE.search(text):
            raise BigQueryError(
                "invalidQuery",
                f"the local BigQuery cannot read the element {wrong[0]} of a time",
            )
        if FRACTION.search(text):
            _with_fraction(node, text)
        else:
            template.replace(exp.convert(text))
    return tree


def _with_fraction(node: Any, template: str) -> None:
    """Tries to read a fraction of the second, then none."""
    safe = isinstance(node.parent, exp.SafeFunc)
    attempts = []
    for seconds in ("%S.%f", "%S"):
        attempt = node.copy()
        attempt.set("format", exp.convert(FRACTION.sub(seconds, template)))
        attempts.append(attempt)
    first, last = exp.func("TRY", attempts[0]), attempts[1]
    last = exp.func("TRY", last) if safe else last
    (node.parent if safe else node).replace(
        exp.Coalesce(this=first, expressions=[last])
    )


def install() -> None:
    datetime._element, datetime.FORMAT_ELEMENTS = _element, ELEMENTS
