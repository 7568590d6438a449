"""`TO_JSON_STRING` and `TO_JSON`, as SQL where the type of the value is known.

Otherwise `values.to_json` writes it, which takes twenty times as long. Source:
GoogleSQL's page on JSON functions, JSON encodings.
"""

from typing import Any

from local_bigquery.sql.rules import datetime, typing
from sqlglot import exp

from local.bigquery.googlesql.values import UNNAMED

Type = exp.DataType.Type
MACROS_SQL = r"""
CREATE MACRO bq.main._json_text(x, for_string) AS CASE
    WHEN regexp_full_match(typeof(x), 'VARCHAR|DATE|BOOLEAN|INTEGER')
    THEN coalesce(CAST(to_json(x) AS VARCHAR), 'null')
    ELSE _to_json(CAST(to_json(x) AS VARCHAR), typeof(x), for_string) END;
CREATE OR REPLACE MACRO bq.main.to_json(x) AS
    CAST(bq.main._json_text(x, FALSE) AS JSON);
CREATE OR REPLACE MACRO bq.main.to_json_string(x) AS bq.main._json_text(x, TRUE),
    (x, pretty) AS CASE
        WHEN pretty THEN bq.main._json_pretty(bq.main._json_text(x, TRUE))
        ELSE bq.main._json_text(x, TRUE) END;
CREATE MACRO bq.main._json_any(x, for_string) AS
    coalesce(CAST(to_json(x) AS VARCHAR), 'null');
CREATE MACRO bq.main._json_value(x, for_string) AS coalesce(CAST(x AS VARCHAR), 'null');
CREATE MACRO bq.main._json_quoted(t) AS coalesce('"' || t || '"', 'null');
CREATE MACRO bq.main._json_integer(x, for_string) AS CASE
    WHEN for_string AND x NOT BETWEEN -9007199254740992 AND 9007199254740992
    THEN bq.main._json_quoted(CAST(x AS VARCHAR))
    ELSE coalesce(CAST(x AS VARCHAR), 'null') END;
CREATE MACRO bq.main._json_numeric(x, for_string) AS CASE
    WHEN for_string
        AND (x NOT BETWEEN -9007199254740992 AND 9007199254740992 OR x <> trunc(x))
    THEN bq.main._json_quoted(bq.main._numeric_text(CAST(x AS VARCHAR)))
    ELSE coalesce(bq.main._numeric_text(CAST(x AS VARCHAR)), 'null') END;
CREATE MACRO bq.main._json_float(x, for_string) AS CASE
    WHEN x IS NULL THEN 'null'
    WHEN isfinite(x) THEN bq.main._float_text(x)
    WHEN isnan(x) THEN '"NaN"' WHEN x > 0 THEN '"Infinity"' ELSE '"-Infinity"' END;
CREATE MACRO bq.main._json_timestamp(x, for_string) AS bq.main._json_quoted(
    replace(replace(bq.main._padded(CAST(x AS VARCHAR)), ' ', 'T'), '+00', 'Z'));
CREATE MACRO bq.main._json_time(x, for_string) AS
    bq.main._json_quoted(replace(bq.main._padded(CAST(x AS VARCHAR)), ' ', 'T'));
CREATE MACRO bq.main._json_bytes(x, for_string) AS bq.main._json_quoted(base64(x));
"""
LEAVES = {
    **dict.fromkeys(typing.TEXT, "_json_any"),
    **dict.fromkeys(typing.FLOATS, "_json_float"),
    **dict.fromkeys(typing.DECIMALS, "_json_numeric"),
    **dict.fromkeys(typing.BYTES, "_json_bytes"),
    **dict.fromkeys((Type.TIMESTAMP, Type.DATETIME, Type.TIME), "_json_time"),
    **dict.fromkeys((Type.BIGINT, Type.INT), "_json_integer"),
    Type.TIMESTAMPTZ: "_json_timestamp",
    Type.DATE: "_json_any",
    Type.BOOLEAN: "_json_any",
    Type.JSON: "_json_value",
}
FUNCTIONS = {"bq.main.to_json_string": True, "bq.main.to_json": False}


def json_of_value(node: Any, _: object) -> Any:
    """A call of which the type of the argument is known."""
    for_string = (
        FUNCTIONS.get(node.name.lower()) if isinstance(node, exp.Anonymous) else None
    )
    if for_string is None or len(node.expressions) != 1:
        return node
    [value] = node.expressions
    if not isinstance(value, exp.Struct) and not _is_known(value.type):
        return node
    text = _json(value, exp.convert(for_string))
    return text if for_string else exp.cast(text, "JSON")


def _is_known(kind: Any) -> bool:
    """Whether it is a scalar or has scalars: a type has names in lower case."""
    if kind is not None and kind.this == Type.ARRAY:
        return len(kind.expressions) == 1 and kind.expressions[0].this in LEAVES
    return kind is not None and kind.this in LEAVES


def _json(value: Any, for_string: Any) -> Any:
    kind = value.type
    if isinstance(value, exp.Struct):
        return _object(value, for_string)
    if not _is_known(kind):
        return datetime.macro("_json_text", value.copy(), for_string.copy())
    if kind.this == Type.ARRAY:
        return _array(value, kind.expressions[0], for_string)
    return datetime.macro(LEAVES[kind.this], value.copy(), for_string.copy())


def _object(value: Any, for_string: Any) -> Any:
    pieces, before = [], "{"
    for part in value.expressions:
        label = exp.func("to_json", exp.convert(_label(part.name)))
        pieces += [exp.convert(before), exp.cast(label, "VARCHAR"), exp.convert(":")]
        pieces.append(_json(part.expression, for_string))
        before = ","
    return _joined([*pieces, exp.convert("}")])


def _label(name: str) -> str:
    return "" if UNNAMED.fullmatch(name) else name


def _array(value: Any, kind: Any, for_string: Any) -> Any:
    name = exp.to_identifier("each")
    element = datetime.macro(LEAVES[kind.this], exp.column(name), for_string.copy())
    each = exp.Lambda(this=element, expressions=[name])
    listed = exp.func("list_transform", value.copy(), each)
    joined = exp.func("array_to_string", listed, exp.convert(","))
    absent = exp.Is(this=value.copy(), expression=exp.null())
    return exp.Case(
        ifs=[exp.If(this=absent, true=exp.convert("null"))],
        default=_joined([exp.convert("["), joined, exp.convert("]")]),
    )


def _joined(pieces: list[Any]) -> Any:
    joined = pieces[0]
    for piece in pieces[1:]:
        joined = exp.DPipe(this=joined, expression=piece)
    return exp.Paren(this=joined)
