"""Texts of values: casts to STRING, `CONCAT` and `FORMAT`.

Sources: GoogleSQL's pages on conversion functions (CAST AS STRING) and on string
functions.
"""

import re
from typing import Any

from local_bigquery.errors import BigQueryError
from local_bigquery.sql.rules import datetime, strings, typing
from sqlglot import exp

Type = exp.DataType.Type
MACROS_SQL = r"""
CREATE MACRO bq.main._padded(t) AS CASE WHEN contains(t, '.') THEN
    regexp_extract(t, '^[^.]*\.') ||
    rpad(
        regexp_extract(t, '\.(\d+)', 1),
        CASE WHEN length(regexp_extract(t, '\.(\d+)', 1)) < 4 THEN 3 ELSE 6 END,
        '0'
    ) || regexp_extract(t, '\.\d+(.*)$', 1)
    ELSE t END;
CREATE MACRO bq.main._numeric_text(t) AS
    CASE WHEN contains(t, '.') THEN rtrim(rtrim(t, '0'), '.') ELSE t END;
CREATE MACRO bq.main._float_text(x) AS CASE
    WHEN x = 0 THEN '0'
    WHEN isnan(x) THEN 'nan'
    WHEN CAST(printf('%.15g', x) AS DOUBLE) = x THEN printf('%.15g', x)
    ELSE printf('%.17g', x) END;
CREATE MACRO bq.main._value_text(x) AS CASE
    WHEN typeof(x) = 'DOUBLE'
    THEN bq.main._float_text(TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE))
    WHEN typeof(x) IN ('TIMESTAMP WITH TIME ZONE', 'TIMESTAMP', 'TIME')
    THEN bq.main._padded(CAST(x AS VARCHAR))
    WHEN starts_with(typeof(x), 'DECIMAL')
    THEN bq.main._numeric_text(CAST(x AS VARCHAR))
    ELSE CAST(x AS VARCHAR) END;
CREATE OR REPLACE MACRO bq.main._fraction(micros) AS
    CASE WHEN micros % 1000000 = 0 THEN ''
    WHEN micros % 1000 = 0 THEN printf('.%03d', micros % 1000000 // 1000)
    ELSE printf('.%06d', micros % 1000000) END;
CREATE OR REPLACE MACRO bq.main._string(x) AS CASE
    WHEN typeof(x) <> 'JSON' THEN bq.main._value_text(x)
    WHEN json_type(x::JSON) = 'VARCHAR' THEN json_extract_string(x::JSON, '$')
    WHEN json_type(x::JSON) = 'NULL' THEN NULL
    ELSE _raise('The provided JSON input is not a string') END;
CREATE MACRO bq.main._printable(x) AS
    _format_value(CAST(to_json(x) AS VARCHAR), typeof(x), FALSE);
CREATE MACRO bq.main._literal(x) AS
    _format_value(CAST(to_json(x) AS VARCHAR), typeof(x), TRUE);
"""
AS_THEY_ARE = {
    *(Type.BIGINT, Type.INT, Type.SMALLINT, Type.TINYINT),
    *(Type.BOOLEAN, Type.DATE, *typing.TEXT),
}
TIMES = {Type.TIMESTAMPTZ, Type.TIMESTAMP, Type.DATETIME, Type.TIME}
# Rules of local-bigquery that these rules replace.
REPLACED = (strings.format_, strings.float_to_string)
# A specifier of NUMERIC without flags, and the places that a NUMERIC has.
EXACT, MAX_PLACES = re.compile(r"%-?\d*(?:\.(\d+))?f"), 9
SPECIFIER = re.compile(r"%(?:%|[-+ #0']*(?:\d+|\*)?(?:\.(?:\d+|\*))?[a-zA-Z])")


def text_of_value(node: Any, _: object) -> Any:
    """A cast to STRING."""
    if not isinstance(node, exp.Cast) or node.to.this not in typing.TEXT:
        return node
    if node.args.get("format"):
        return node
    return _as_text(node.this, node)


def _as_text(value: Any, instead: Any) -> Any:
    kind = typing.kind(value)
    if kind in AS_THEY_ARE or isinstance(value, exp.Null):
        return instead
    if kind in typing.FLOATS:
        return datetime.macro("_float_text", value)
    if kind in TIMES:
        return datetime.macro("_padded", exp.cast(value, "VARCHAR"))
    if kind in typing.DECIMALS:
        return datetime.macro("_numeric_text", exp.cast(value, "VARCHAR"))
    if strings._binary(value):
        return exp.Anonymous(this="decode", expressions=[value])
    if _is_span(value):
        return datetime.macro("_interval_string", value)
    if kind in (None, Type.UNKNOWN):
        return datetime.macro("_value_text", value)
    return instead


def _is_span(value: Any) -> bool:
    """Whether it is the difference of two times, as local-bigquery writes it."""
    name = value.name if isinstance(value, exp.Anonymous) else ""
    return name.lower() == "to_microseconds"


def concatenated(node: Any, _: object) -> Any:
    """`CONCAT` and `||` of values that are not text."""
    if isinstance(node, exp.Concat):
        node.set("expressions", [_joined(part) for part in node.expressions])
    elif isinstance(node, exp.DPipe):
        for side in ("this", "expression"):
            node.set(side, _joined(node.args[side]))
    return node


def _joined(value: Any) -> Any:
    kind = typing.kind(value)
    known = kind in TIMES or kind in typing.FLOATS or kind in typing.DECIMALS
    return _as_text(value, value) if known else value


def formatted(node: Any, _: object) -> Any:
    """`FORMAT`, for which DuckDB's printf has no `%t` and `%T`."""
    if not isinstance(node, exp.Format):
        return node
    template, arguments = node.this, list(node.expressions)
    if not (isinstance(template, exp.Literal) and template.is_string):
        raise BigQueryError(
            "invalidQuery",
            "the local BigQuery needs a literal as the first argument of FORMAT",
        )
    specifiers = [text for text in SPECIFIER.findall(template.this) if text != "%%"]
    wanted = sum(1 + text.count("*") for text in specifiers)
    if wanted != len(arguments):
        raise BigQueryError(
            "invalidQuery", "Format string error: the number of arguments is wrong"
        )
    if any("*" in text for text in specifiers):
        raise BigQueryError(
            "invalidQuery",
            "the local BigQuery has no * in FORMAT: write the width as a number",
        )
    for at, text in enumerate(specifiers):
        if text[-1] in "tT":
            name = "_printable" if text[-1] == "t" else "_literal"
            arguments[at] = datetime.macro(name, arguments[at])
        elif (places := _places(text, arguments[at])) is not None:
            exact = exp.DataType.build(f"DECIMAL(38, {places})", dialect="duckdb")
            rounded = exp.Cast(this=arguments[at], to=exact)
            arguments[at] = exp.cast(rounded, "VARCHAR")
    waiting = iter(zip(specifiers, node.expressions, strict=True))

    def for_printf(specifier: re.Match[str]) -> str:
        text = specifier[0]
        if text == "%%":
            return text
        is_exact = _places(*next(waiting)) is not None
        width = text.split(".")[0].removesuffix("f")
        return f"{width}s" if is_exact else _for_printf(text)

    written = exp.Literal.string(SPECIFIER.sub(for_printf, template.this))
    return exp.Anonymous(this="printf", expressions=[written, *arguments])


def _places(text: str, value: Any) -> int | None:
    """The places of a NUMERIC in `%f`, which printf would write as a FLOAT64."""
    found = EXACT.fullmatch(text)
    if found is None or typing.kind(value) not in typing.DECIMALS:
        return None
    places = int(found[1]) if found[1] else 6
    return places if places <= MAX_PLACES else None


def _for_printf(text: str) -> str:
    text = re.sub(r"%([-+ #0]*)'", r"%\1,", text)  # commas between thousands
    return text[:-1] + "s" if text[-1] in "tT" else text
