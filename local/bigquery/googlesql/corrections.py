"""Single functions that DuckDB or local-bigquery answer otherwise.

Sources: GoogleSQL's pages on string, mathematical, JSON and approximate aggregate
functions.
"""

from typing import Any

from local_bigquery.errors import BigQueryError
from local_bigquery.sql.rules import datetime, typing
from sqlglot import exp

MACROS_SQL = r"""
CREATE OR REPLACE MACRO bq.main.code_points_to_string(points) AS
    CASE WHEN len(list_filter(points, lambda c: c IS NULL)) = 0
    THEN array_to_string(list_transform(points, lambda c: chr(c::INTEGER)), '') END;
CREATE MACRO bq.main._inverse(x, name) AS
    CASE WHEN x = 0 THEN _raise('division by zero: ' || name) ELSE 1 / x END;
CREATE OR REPLACE MACRO bq.main.csc(x) AS bq.main._inverse(sin(x), 'CSC');
CREATE OR REPLACE MACRO bq.main.csch(x) AS bq.main._inverse(sinh(x), 'CSCH');
CREATE OR REPLACE MACRO bq.main.coth(x) AS bq.main._inverse(tanh(x), 'COTH');
CREATE OR REPLACE MACRO bq.main.lax_string(j) AS CASE
    WHEN json_type(j) = 'VARCHAR' THEN json_extract_string(j, '$')
    WHEN json_type(j) = 'DOUBLE' THEN bq.main._float_text(j::DOUBLE)
    WHEN bq.main._json_number(j) OR json_type(j) = 'BOOLEAN' THEN j::VARCHAR END;
CREATE OR REPLACE MACRO bq.main.safe_convert_bytes_to_string(b) AS _text_of_bytes(b);
CREATE MACRO bq.main._counts(top) AS list_transform(
    top, lambda e: {'value': e.value.v, 'count': e.count});
"""
INSTEAD = {
    **dict.fromkeys(
        ("JSON_ARRAY_APPEND", "JSON_ARRAY_INSERT", "JSON_REMOVE", "JSON_SET"),
        "build the value with JSON_OBJECT or TO_JSON",
    ),
    "JSON_STRIP_NULLS": "build the value with JSON_OBJECT or TO_JSON",
    "APPROX_TOP_SUM": "use GROUP BY, SUM and LIMIT",
}


def missing(name: str, place: str) -> None:
    """Refuses a function whose answer would be wrong.

    Raises:
        BigQueryError: There is another way.
    """
    if instead := INSTEAD.get(name):
        raise BigQueryError(
            "invalidQuery",
            f"the local BigQuery has no {name} at [{place}]: {instead}",
        )


def safe_element(node: Any, _: object) -> Any:
    """`a[SAFE_OFFSET(i)]`: DuckDB counts from 1, and negative places from the end."""
    base = node.args.get("offset") if isinstance(node, exp.Bracket) else None
    if base is None or not node.args.get("safe") or node.expressions[0].is_int:
        return node
    place = exp.Add(
        this=exp.Paren(this=node.expressions[0]), expression=exp.convert(1 - base)
    )
    node.set("expressions", [exp.func("greatest", place, exp.convert(0))])
    node.set("offset", 1)
    return node


def current(node: Any, _: object) -> Any:
    """The present, of which DuckDB looks for a column of that name first."""
    if isinstance(node, exp.CurrentTimestamp):
        return exp.func("get_current_timestamp")
    if isinstance(node, exp.CurrentDate) and node.this is None:
        return exp.cast(exp.func("get_current_timestamp"), "DATE")
    return node


def unicode_of_nothing(node: Any, _: object) -> Any:
    """`UNICODE('')` is 0."""
    if not isinstance(node, exp.Unicode):
        return node
    empty = exp.EQ(this=node.this.copy(), expression=exp.convert(""))
    return exp.Case(ifs=[exp.If(this=empty, true=exp.convert(0))], default=node)


def top_count(node: Any, _: object) -> Any:
    """`APPROX_TOP_COUNT`, which counts NULL too."""
    name = node.name.lower() if isinstance(node, exp.Anonymous) else ""
    if name != "bq.main.approx_top_count":
        return node
    value, number = node.expressions
    named = exp.PropertyEQ(this=exp.to_identifier("v"), expression=value)
    top = exp.Anonymous(this=node.this, expressions=[_struct(named), number])
    return datetime.macro("_counts", top)


def _struct(*fields: Any) -> Any:
    return exp.Struct(expressions=list(fields))


def json_null_of_text(node: Any, _: object) -> Any:
    """`JSON_QUERY` of text: a JSON null is NULL."""
    extracted = isinstance(node, exp.Cast) and isinstance(node.this, exp.JSONExtract)
    if not extracted or typing.kind(node.this.this) not in typing.TEXT:
        return node
    present = exp.NEQ(this=node.copy(), expression=exp.convert("null"))
    return exp.Case(ifs=[exp.If(this=present, true=node)])


def limits(tree: Any, _: object) -> Any:
    """Refuses clauses of an aggregate that would be left out."""
    for node in tree.find_all(exp.ArrayConcatAgg):
        if isinstance(node.this, exp.Limit):
            raise BigQueryError(
                "invalidQuery", "the local BigQuery has no LIMIT in ARRAY_CONCAT_AGG"
            )
    for node in tree.find_all(exp.RespectNulls):
        if not isinstance(node.this, exp.ArrayAgg) and not node.find_ancestor(
            exp.Window
        ):
            raise BigQueryError(
                "invalidQuery", "the local BigQuery has no RESPECT NULLS here"
            )
    for node in tree.find_all(exp.JSONObject, exp.Anonymous):
        if isinstance(node, exp.JSONObject) or node.name.upper() == "JSON_OBJECT":
            _check_keys(node)
    return tree


def _check_keys(node: Any) -> None:
    """Keys of a `JSON_OBJECT` must be written, and not twice."""
    keys = [getattr(part, "this", None) for part in node.expressions]
    names = [key.name for key in keys if isinstance(key, exp.Literal)]
    pairs = all(isinstance(part, exp.JSONKeyValue) for part in node.expressions)
    if pairs and (len(names) < len(keys) or len(set(names)) < len(names)):
        raise BigQueryError(
            "invalidQuery",
            "the local BigQuery needs different literals as keys of JSON_OBJECT",
        )
