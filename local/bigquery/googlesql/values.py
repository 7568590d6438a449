"""A value of any type as BigQuery's JSON, or as the text of `FORMAT('%t', ..)`.

DuckDB writes a value as JSON, and names its type; both together say what BigQuery would
write. Sources: GoogleSQL's pages on JSON functions (JSON encodings) and string
functions (%t and %T behavior).
"""

import base64
import functools
import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

# Integers up to here are exact as an IEEE 754 number.
EXACT = 2**53
# A server meets few types, each in many rows.
MAX_TYPES = 1_000
TOKEN = re.compile(r'"(?:[^"]|"")*"|\[\d*\]|[(),]|[^\s"\[\](),]+')
BYTE = re.compile(rb"\\x([0-9A-Fa-f]{2})")
UNNAMED = re.compile(r"_field_\d+|v\d+")
FRACTION = re.compile(r"\.(\d+)")
INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
ZONED = "TIMESTAMP WITH TIME ZONE"


class Number(str):
    """The digits of a number, which a float would round."""


class Pairs(list[tuple[str, Any]]):
    """An object in its order, with names that occur twice."""


@dataclass
class Kind:
    """A type of DuckDB.

    Attributes:
        name: Its name; STRUCT or LIST if it has parts.
        parts: The fields of a STRUCT with their names, or the element of a LIST.
    """

    name: str
    parts: list[tuple[str, "Kind"]] = field(default_factory=list)


@functools.lru_cache(MAX_TYPES)
def kind_of(text: str) -> Kind:
    """The type that a text of DuckDB's `typeof` names."""
    return _kind(TOKEN.findall(text), 0)[0]


def _kind(tokens: list[str], at: int) -> tuple[Kind, int]:
    """The type that begins at a token, and the place after it."""
    words = []
    while at < len(tokens) and tokens[at] not in "(),[" and tokens[at][0] != "[":
        words.append(tokens[at])
        at += 1
    found = Kind(" ".join(words))
    if tokens[at : at + 1] == ["("]:
        if found.name == "STRUCT":
            found.parts, at = _fields(tokens, at + 1)
        else:
            at = tokens.index(")", at)
        at += 1
    while at < len(tokens) and tokens[at].startswith("["):
        found, at = Kind("LIST", [("", found)]), at + 1
    return found, at


def _fields(tokens: list[str], at: int) -> tuple[list[tuple[str, Kind]], int]:
    fields = []
    while tokens[at] != ")":
        name = tokens[at].strip('"').replace('""', '"')
        kind, at = _kind(tokens, at + 1)
        fields.append((name, kind))
        at += tokens[at] == ","
    return fields, at


def _read(text: str) -> Any:
    return json.loads(
        text,
        parse_float=Number,
        parse_int=Number,
        parse_constant=Number,
        object_pairs_hook=Pairs,
    )


def to_json(text: str | None, kind: str, for_string: bool) -> str | None:
    """BigQuery's JSON of a value.

    Args:
        text: DuckDB's JSON of the value.
        kind: Its type in DuckDB.
        for_string: As `TO_JSON_STRING`, in which an inexact number is text.
    """
    if text is None:
        return "null"
    return _json(_read(text), kind_of(kind), for_string)


def _json(value: Any, kind: Kind, for_string: bool) -> str:
    if value is None:
        return "null"
    if kind.name == "LIST":
        return f"[{','.join(_json(v, kind.parts[0][1], for_string) for v in value)}]"
    if kind.name == "STRUCT":
        parts = zip(value, kind.parts, strict=True)
        return (
            f"{{{','.join(_member(pair, part, for_string) for pair, part in parts)}}}"
        )
    if isinstance(value, Number):
        return _json_number(value, kind.name, for_string)
    return _dumped(_json_text(value, kind.name))


def _member(pair: tuple[str, Any], part: tuple[str, Kind], for_string: bool) -> str:
    name = "" if UNNAMED.fullmatch(pair[0]) else pair[0]
    return f"{_dumped(name)}:{_json(pair[1], part[1], for_string)}"


def _dumped(value: Any) -> str:
    """JSON of a value that DuckDB and BigQuery write the same."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, Pairs):
        return f"{{{','.join(f'{_dumped(k)}:{_dumped(v)}' for k, v in value)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_dumped, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _json_number(value: Number, kind: str, for_string: bool) -> str:
    if kind in ("DOUBLE", "FLOAT"):
        number = float(value)
        if math.isfinite(number):
            return float_text(number)
        names = {math.inf: '"Infinity"', -math.inf: '"-Infinity"'}
        return names.get(number, '"NaN"')
    text = numeric_text(value) if kind == "DECIMAL" else str(value)
    exact = "." not in text and abs(int(text)) <= EXACT if kind != "JSON" else True
    return f'"{text}"' if for_string and not exact else text


def _json_text(value: Any, kind: str) -> Any:
    if kind == ZONED:
        return padded(value).replace(" ", "T", 1).removesuffix("+00") + "Z"
    if kind in ("TIMESTAMP", "TIME"):
        return padded(value).replace(" ", "T", 1)
    if kind == "BLOB":
        return base64.b64encode(_bytes(value)).decode()
    if kind == "INTERVAL":
        raise ValueError(
            "the local BigQuery has no JSON of an INTERVAL: use CAST(.. AS STRING)"
        )
    return value


def printable(text: str | None, kind: str, literal: bool) -> str:
    """A value as `FORMAT` writes it for `%t`, or for `%T` as a literal.

    Args:
        text: DuckDB's JSON of the value.
        kind: Its type in DuckDB.
        literal: As `%T`.
    """
    value = None if text is None else _read(text)
    return _printable(value, kind_of(kind), literal)


def _printable(value: Any, kind: Kind, literal: bool) -> str:
    if value is None:
        return "NULL"
    if kind.name == "LIST":
        return f"[{', '.join(_printable(v, kind.parts[0][1], literal) for v in value)}]"
    if kind.name == "STRUCT":
        parts = zip(value, kind.parts, strict=True)
        texts = [_printable(v, part, literal) for (_, v), (_, part) in parts]
        one = literal and len(texts) < 2
        return f"{'STRUCT' if one else ''}({', '.join(texts)})"
    if isinstance(value, Number):
        return _printable_number(value, kind.name, literal)
    if isinstance(value, bool):
        return str(value).lower()
    return _printable_text(value, kind.name, literal)


def _printable_number(value: Number, kind: str, literal: bool) -> str:
    if kind in ("DOUBLE", "FLOAT"):
        number = float(value)
        text = float_text(number)
        if literal and not math.isfinite(number):
            return f'CAST("{text}" AS FLOAT64)'
        # 123.0, always with .0
        return text if re.search("[.en]", text) else f"{text}.0"
    if kind == "DECIMAL":
        text = numeric_text(value)
        text = text if "." in text else f"{text}.0"
        return f'NUMERIC "{text}"' if literal else text
    return str(value)


def _printable_text(value: Any, kind: str, literal: bool) -> str:
    names = {
        "DATE": "DATE",
        "TIME": "TIME",
        "TIMESTAMP": "DATETIME",
        ZONED: "TIMESTAMP",
    }
    if kind == "JSON":
        text = _dumped(value)
        return f"JSON '{text}'" if literal else text
    if kind == "BLOB":
        text = _bytes(value).decode("latin-1").encode("unicode_escape").decode()
        return f'b"{text}"' if literal else text
    if kind in names:
        text = padded(value)
        return f'{names[kind]} "{text}"' if literal else text
    return _dumped(value) if literal else str(value)


def text_of_bytes(data: bytes | None) -> str | None:
    """UTF-8 as text; what is none becomes U+FFFD."""
    return None if data is None else bytes(data).decode(errors="replace")


def _bytes(text: str) -> bytes:
    r"""The bytes that a text of DuckDB, in which `\x` begins a byte, stands for."""
    return BYTE.sub(lambda byte: bytes([int(byte[1], 16)]), text.encode())


def padded(time: str) -> str:
    """A time with three or six digits of its second, or none."""
    return FRACTION.sub(
        lambda f: "." + f[1].ljust(3 if len(f[1]) < 4 else 6, "0"), time
    )


def numeric_text(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def float_text(number: float) -> str:
    """With 15 digits if that is the same number, otherwise with 17."""
    short = f"{number + 0.0:.15g}"
    return short if float(short) == number or number != number else f"{number:.17g}"
