"""Adds all rules to local-bigquery."""

import functools
from typing import Any

from local_bigquery.sql import dialect, translate
from local_bigquery.sql.rules import datetime, tables, typing
from sqlglot import exp

from local.bigquery.googlesql import (
    aggregates,
    aliases,
    casts,
    corrections,
    domains,
    floats,
    instants,
    json_texts,
    names,
    operators,
    refusals,
    signatures,
    syntax,
    texts,
    time_formats,
    time_texts,
    times,
    trees,
    values,
)

MACROS_SQL = (
    times.MACROS_SQL
    + casts.MACROS_SQL
    + texts.MACROS_SQL
    + json_texts.MACROS_SQL
    + time_texts.MACROS_SQL
    + time_formats.MACROS_SQL
    + corrections.MACROS_SQL
    + domains.MACROS_SQL
)
TEXT = "VARCHAR"
# Name, function, types of its arguments, type of its value.
FUNCTIONS: list[tuple[str, Any, list[str], str]] = [
    ("_to_json", values.to_json, [TEXT, TEXT, "BOOLEAN"], TEXT),
    ("_format_value", values.printable, [TEXT, TEXT, "BOOLEAN"], TEXT),
    ("_timestamp_text", instants.microseconds, [TEXT, "BOOLEAN", TEXT], "BIGINT"),
    ("_zone", instants.zone_name, [TEXT], TEXT),
    ("_text_of_bytes", values.text_of_bytes, ["BLOB"], TEXT),
]


def prepare(connection: Any) -> None:
    """Adds the functions and macros that the rules use to a connection of DuckDB."""
    for name, function, arguments, value in FUNCTIONS:
        connection.create_function(
            name, function, arguments, value, null_handling="special"
        )
    connection.execute(MACROS_SQL)


# What becomes of a node when the rules of local-bigquery have seen it.
LAST = [
    corrections.current,
    corrections.unicode_of_nothing,
    corrections.json_null_of_text,
    corrections.top_count,
    json_texts.json_of_value,
    casts.quotient_to_int64,
    casts.text_to_value,
    time_texts.compared_text,
    time_texts.text_to_time,
    floats.compared,
    floats.least,
    floats.ordered,
    domains.in_domain,
    texts.formatted,
    texts.text_of_value,
]


def _typed(rule: Any) -> Any:
    """The rule, which leaves to what it puts in place of a node the node's type."""

    @functools.wraps(rule)
    def apply(node: Any, context: Any) -> Any:
        found = rule(node, context)
        if found is not node and found.type is None:
            found.type = node.to if isinstance(node, exp.Cast) else node.type
        return found

    return apply


def install() -> None:
    """Adds the rules; leaves out what needs DuckDB's extension for places."""
    dialect.FUNCTIONS[:] = [
        path for path in dialect.FUNCTIONS if path.stem != "geography"
    ]
    trees.install()
    syntax.install()
    domains.install()
    operators.install()
    times.install()
    time_formats.install()
    rules = translate.STATEMENT_RULES
    rules[:0] = [
        refusals.refused,
        corrections.limits,
        time_texts.known_zones,
        names.group_by_aliases,
        names.named_fields,
        aggregates.without_nulls,
    ]
    rules.insert(rules.index(tables.qualify) + 1, aliases.invisible)
    at = rules.index(datetime.datetime)
    rules[at:at] = [time_formats.parsed, times.times]
    rules.insert(rules.index(typing.annotate) + 1, signatures.checked)
    for rule in (*texts.REPLACED, typing.json_bytes):
        translate.NODE_RULES.remove(rule)
    translate.NODE_RULES[:0] = [
        texts.concatenated,
        corrections.safe_element,
    ]
    translate.NODE_RULES += [_typed(rule) for rule in LAST]
