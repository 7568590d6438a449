"""One column's value as another type, in SQL: lossless or NULL, and never an error.

A view must work whatever a table of another program holds: a value that has no
lossless form in the wanted type is NULL. For a pair of types without such a conversion
the result is None, so that it is reported instead of guessed.

Each expression works in BigQuery and in the local one. They differ: BigQuery rounds a
FLOAT64 to the next INT64, and for text that is not JSON the local one fails where
BigQuery returns NULL.
"""

from dataclasses import replace

from pipeline.registry import Column
from sql.templates import literal, quoted

# {v} is the value. The keys are (found type, wanted type).
_SCALARS = {
    # Elexon writes seven decimals of a second (2022-07-01T01:34:00.0000000+00:00) and
    # BigQuery reads six: zeros after the sixth are removed, other digits refused.
    # A time without a zone is UTC in BigQuery as it is at Elexon. The zone BST is not
    # known to BigQuery.
    ("STRING", "TIMESTAMP"): (
        r"SAFE_CAST(REGEXP_REPLACE(REGEXP_REPLACE({v}, r'(\.\d{{6}})0+', r'\1'), "
        r"r' *BST$', '+01:00') AS TIMESTAMP)"
    ),
    # pandas writes a date as a midnight.
    ("STRING", "DATE"): (
        r"SAFE_CAST(REGEXP_REPLACE({v}, "
        r"r'[T ]00:00(:00(\.0+)?)?(Z|[+]00:00)?$', '') AS DATE)"
    ),
    ("STRING", "INT64"): (
        r"IF(REGEXP_CONTAINS({v}, r'^[+-]?\d+(\.0*)?$'), "
        r"SAFE_CAST(REGEXP_REPLACE({v}, r'\.0*$', '') AS INT64), NULL)"
    ),
    # pandas writes a missing number as nan.
    ("STRING", "FLOAT64"): (
        r"IF(REGEXP_CONTAINS({v}, r'^[+-]?[.\d]'), SAFE_CAST({v} AS FLOAT64), NULL)"
    ),
    # True and False are Python's, 1.0 and 0.0 are pandas' where some are missing, and
    # T and F, Y and N those of Elexon's older files.
    ("STRING", "BOOL"): (
        "CASE WHEN LOWER({v}) IN ('true', 't', 'yes', 'y', '1', '1.0') THEN TRUE "
        "WHEN LOWER({v}) IN ('false', 'f', 'no', 'n', '0', '0.0') THEN FALSE END"
    ),
    ("INT64", "STRING"): "CAST({v} AS STRING)",
    ("INT64", "FLOAT64"): "CAST({v} AS FLOAT64)",
    ("INT64", "BOOL"): "CASE {v} WHEN 1 THEN TRUE WHEN 0 THEN FALSE END",
    ("FLOAT64", "INT64"): "IF({v} = TRUNC({v}), SAFE_CAST({v} AS INT64), NULL)",
    ("FLOAT64", "BOOL"): "CASE {v} WHEN 1 THEN TRUE WHEN 0 THEN FALSE END",
    ("NUMERIC", "INT64"): "IF({v} = TRUNC({v}), SAFE_CAST({v} AS INT64), NULL)",
    ("NUMERIC", "FLOAT64"): "CAST({v} AS FLOAT64)",
    ("BOOL", "STRING"): "CAST({v} AS STRING)",
    ("DATE", "TIMESTAMP"): "TIMESTAMP({v})",
    # A settlement date is a local day that is stored as its midnight: the date part is
    # used as it is, and never shifted.
    ("DATETIME", "DATE"): "DATE({v})",
    ("DATETIME", "TIMESTAMP"): "TIMESTAMP({v})",
    ("TIMESTAMP", "DATE"): "DATE({v})",
}
# Conversions that work for every value.
_TOTAL = frozenset(
    {("INT64", "STRING"), ("INT64", "FLOAT64"), ("BOOL", "STRING")}
    | {("NUMERIC", "FLOAT64"), ("DATE", "TIMESTAMP"), ("DATETIME", "DATE")}
    | {("DATETIME", "TIMESTAMP"), ("TIMESTAMP", "DATE")}
)
_TEXT = Column("text", "STRING")
# Days and times convert into each other in order.
_ORDERED = frozenset({"DATE", "DATETIME", "TIMESTAMP"})


def converted(value: str, found: Column, wanted: Column, depth: int = 0) -> str | None:
    """The value of a found column as the wanted one.

    Args:
        value: The value, as an expression.
        found: The column that it is from.
        wanted: The column that it should fill.
        depth: How many arrays it is inside of; each has its own name for elements.

    Returns:
        An expression, or None if no lossless conversion is known.
    """
    if (found.kind, found.fields) == (wanted.kind, wanted.fields):
        return value
    if wanted.mode == "REPEATED":
        return _array(value, found, wanted, depth)
    if wanted.type == "RECORD":
        return _record(value, found, wanted, depth)
    if found.kind == wanted.kind:
        return value
    pattern = _SCALARS.get((found.kind, wanted.kind))
    return pattern.format(v=value) if pattern else None


def unread(value: str, found: Column, wanted: Column) -> str | None:
    """Whether a value has no form in the wanted type, in SQL.

    Args:
        value: The value, as an expression.
        found: The column that it is from.
        wanted: The column that it should fill; there is a conversion.

    Returns:
        A condition, or None if every value has one. The fields of a RECORD are not
        examined.
    """
    if found.kind == wanted.kind or (found.kind, wanted.kind) in _TOTAL:
        return None
    if wanted.mode == "REPEATED" or wanted.type == "RECORD":
        kind = "array" if wanted.mode == "REPEATED" else "object"
        return f"({value} IS NOT NULL AND {_json(value, kind)} IS NULL)"
    return f"({value} IS NOT NULL AND {converted(value, found, wanted)} IS NULL)"


def keeps_order(found: Column, wanted: Column) -> bool:
    """Whether a filter on the converted value limits the partitions that are read."""
    return found.type in _ORDERED and wanted.type in _ORDERED


def _array(value: str, found: Column, wanted: Column, depth: int) -> str | None:
    """An array, or the text of a JSON array, element by element in its order."""
    item, one = f"item{depth}", replace(wanted, mode="NULLABLE")
    if found.mode == "REPEATED":
        source, element, kind = value, item, replace(found, mode="NULLABLE")
    elif found.type == "STRING":
        source, kind = f"JSON_QUERY_ARRAY({_json(value, 'array')})", found
        element = item if wanted.type == "RECORD" else f"JSON_VALUE({item})"
    else:
        return None
    selected = (
        f"AS STRUCT {_fields(element, kind, one, depth + 1)}"
        if wanted.type == "RECORD" and kind.type in ("RECORD", "STRING")
        else converted(element, kind, one, depth + 1)
    )
    if selected is None:
        return None
    order = f"WITH OFFSET AS n{depth} ORDER BY n{depth}"
    return f"ARRAY(SELECT {selected} FROM UNNEST({source}) AS {item} {order})"  # noqa: S608 - names of the registry


def _record(value: str, found: Column, wanted: Column, depth: int) -> str | None:
    if found.kind not in ("RECORD", "STRING"):
        return None
    there = value if found.type == "RECORD" else _json(value, "object")
    return f"IF({there} IS NULL, NULL, STRUCT({_fields(value, found, wanted, depth)}))"


def _fields(value: str, found: Column, wanted: Column, depth: int) -> str:
    """The fields of a RECORD, out of a RECORD or out of JSON text."""
    known = {field.name.lower(): field for field in found.fields}
    parts = []
    for field in wanted.fields:
        there: Column | None = _TEXT
        if found.type == "STRING":
            inner = _json_field(value, field)
        elif there := known.get(field.name.lower()):
            inner = f"{value}.{quoted(there.name)}"
        expression = converted(inner, there, field, depth) if there else None
        parts.append(f"{expression or null(field)} AS {quoted(field.name)}")
    return ", ".join(parts)


def _json_field(value: str, field: Column) -> str:
    """A field of a JSON object as text: of a scalar its value, else its JSON."""
    is_scalar = field.type != "RECORD" and field.mode != "REPEATED"
    path = literal(f"$.{literal(field.name)}")
    return f"{'JSON_VALUE' if is_scalar else 'JSON_QUERY'}({value}, {path})"


def _json(value: str, kind: str) -> str:
    """The text if it is JSON of that kind, else NULL.

    Only the kind is asked for: a number with more digits than a double must not make
    the text unreadable, as it would by default.
    """
    parsed = f"SAFE.PARSE_JSON({value}, wide_number_mode => 'round')"
    return f"IF(JSON_TYPE({parsed}) = '{kind}', {value}, NULL)"


def with_extra(column: Column) -> str:
    """A column of an `_iris` table, from `extra` for rows older than the column."""
    name = quoted(column.name)
    older = converted(_json_field("extra", column), _TEXT, column)
    if older is None:
        return name
    if column.mode == "REPEATED":
        return f"IF(ARRAY_LENGTH({name}) > 0, {name}, {older})"
    return f"COALESCE({name}, {older})"


def grouping(column: Column) -> str:
    """A column as PARTITION BY takes it: BigQuery refuses floats, arrays, records."""
    name = quoted(column.name)
    if column.type == "RECORD" or column.mode == "REPEATED":
        return f"TO_JSON_STRING({name})"
    return f"CAST({name} AS STRING)" if column.type == "FLOAT64" else name


def null(column: Column) -> str:
    """No value, in a column's type."""
    return f"CAST(NULL AS {sql_type(column)})"


def sql_type(column: Column) -> str:
    """The column's type as GoogleSQL writes it."""
    kind = column.type
    if kind == "RECORD":
        fields = (f"{quoted(field.name)} {sql_type(field)}" for field in column.fields)
        kind = f"STRUCT<{', '.join(fields)}>"
    return f"ARRAY<{kind}>" if column.mode == "REPEATED" else kind
