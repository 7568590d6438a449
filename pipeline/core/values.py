"""One JSON value to one value of a BigQuery type: strict, and without loss.

Every converter takes a parsed JSON value that is not null and returns what the column
holds; it raises `ValueRefused` for a value that the column cannot hold without loss.
TIMESTAMP and DATE become canonical text (`2026-05-06T02:31:00Z`, `2026-05-06`), which
BigQuery accepts and which sorts like the time it names.
"""

import datetime as dt
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson

from pipeline.core.reasons import Reason

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
# Beyond 2**53 a double no longer holds every whole number (IEEE 754).
EXACT_FLOAT = 2**53
# Some 5 MB of times; then the cache starts again. The times of a message and of those
# before it repeat: a cache five times as large makes no run faster.
MAX_CACHED_TIMES = 20_000
# The longest form is 33 characters; a text of megabytes must not stay in memory.
MAX_CACHED_LENGTH = 40
# Kiribati (IANA time zone database); no zone has a larger one.
MAX_OFFSET_HOURS = 14

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,4})?\Z", re.ASCII)
# One with more digits than this is beyond every double (309).
_WHOLE = re.compile(r"-?\d{1,400}\Z", re.ASCII)
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})\Z", re.ASCII)
# The forms of IRIS: Z, .000Z, seven decimals with an offset, no zone at all (UTC), and
# a date alone. Seconds may be missing.
_TIME = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?"
    r"\s?(?:[Zz]|(?:([+-])(\d{2}):?(\d{2})))?)?\Z",
    re.ASCII,
)
# By far the most times: Z, without a fraction, with milliseconds or microseconds. Hour
# 24, which ISO 8601 knows and later Pythons accept, is not among them.
_USUAL_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):\d{2}:\d{2}(?:\.(?:\d{3}|\d{6}))?Z",
    re.ASCII,
)


class ValueRefused(ValueError):  # noqa: N818 - a refusal is not an error
    """A value that its column cannot hold; `reason` is the dead letter's code."""

    def __init__(
        self, reason: Reason, message: str, *, is_placed: bool = False
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_placed = is_placed

    def placed(self, path: str) -> "ValueRefused":
        """The same refusal, with the path of the value in its message."""
        return ValueRefused(self.reason, f"{path}: {self}", is_placed=True)


def shown(value: Any) -> str:
    """The value as an error message shows it: JSON, cut to 80 characters."""
    text = value if isinstance(value, str) else repr(value)
    return repr(text[:80] + "...") if len(text) > 80 else repr(value)


def _wrong_type(value: Any, wanted: str) -> ValueRefused:
    return ValueRefused(Reason.WRONG_TYPE, f"{shown(value)} is not {wanted}")


def to_int64(value: Any) -> int:
    """A whole number: 12, 12.0 and "12" are 12; 12.5, true and "abc" are refused."""
    kind = type(value)
    if kind is int:
        whole = value
    elif kind is float:
        whole = _whole(value)
    elif kind is str and _NUMBER.match(value):
        decimal = Decimal(value)
        if decimal != decimal.to_integral_value():
            raise _wrong_type(value, "a whole number")
        # A huge exponent must not become an integer with all its digits.
        whole = int(decimal) if decimal.adjusted() < 20 else INT64_MAX + 1
    else:
        raise _wrong_type(value, "a whole number")
    if not INT64_MIN <= whole <= INT64_MAX:
        raise ValueRefused(Reason.OUT_OF_RANGE, f"{shown(value)} is beyond 64 bits")
    return int(whole)


def _whole(value: float) -> int:
    if not math.isfinite(value):
        raise ValueRefused(Reason.NOT_FINITE, f"{value} is not a number")
    if not value.is_integer():
        raise _wrong_type(value, "a whole number")
    # 2**53 itself may be 2**53 + 1 rounded by the parser.
    if abs(value) >= EXACT_FLOAT:
        raise ValueRefused(
            Reason.OUT_OF_RANGE, f"{value} is beyond what a double holds exactly"
        )
    return int(value)


def to_float64(value: Any) -> float:
    """A finite double: 350 and "350.0" are 350.0; NaN and inexact integers are not."""
    kind = type(value)
    if kind is str and _NUMBER.match(value):
        if _WHOLE.match(value):
            return to_float64(int(value))
        number = float(value)
    elif kind is int:
        # An integer that a double would round is refused rather than changed.
        if abs(value) > EXACT_FLOAT and (
            value.bit_length() > 1023 or int(float(value)) != value
        ):
            raise ValueRefused(Reason.OUT_OF_RANGE, f"{shown(value)} loses digits")
        number = float(value)
    elif kind is float:
        number = value
    else:
        raise _wrong_type(value, "a number")
    if not math.isfinite(number):
        raise ValueRefused(Reason.NOT_FINITE, f"{shown(value)} is not finite")
    return number


def to_string(value: Any) -> str:
    """Text; a number becomes its JSON text, without loss."""
    kind = type(value)
    if kind is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _wrong_type(value, "UTF-8 text") from None
        return str(value)
    if kind is int:
        return str(value)
    if kind is float:
        return orjson.dumps(to_float64(value)).decode()
    raise _wrong_type(value, "text")


def to_bool(value: Any) -> bool:
    """A truth value, also as the text `true` or `false`."""
    if type(value) is bool:
        return value
    if type(value) is str and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _wrong_type(value, "true or false")


def to_date(value: Any) -> str:
    """A day as `YYYY-MM-DD`; a timestamp is a day only at midnight UTC."""
    if type(value) is not str:
        raise _wrong_type(value, "a date")
    if _DATE.match(value):
        return _moment(value).date().isoformat()
    moment = _moment(value)
    if moment.time() != dt.time(0):
        raise _wrong_type(value, "a date")
    return moment.date().isoformat()


def to_timestamp(value: Any) -> str:
    """An instant as `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`; without a zone it is UTC."""
    if type(value) is not str:
        raise _wrong_type(value, "a time")
    return _usual_timestamp(value) or _moment(value).isoformat() + "Z"


def _usual_timestamp(text: str) -> str | None:
    """The canonical text of a time in a usual form; several times faster."""
    if not _USUAL_TIME.fullmatch(text):
        return None
    try:
        moment = dt.datetime.fromisoformat(text[:-1])
    except ValueError:  # `_moment` says what does not exist
        return None
    if not moment.microsecond:
        return text[:19] + "Z"
    return text if len(text) == 27 else text[:23] + "000Z"


def _moment(text: str) -> dt.datetime:
    """The UTC instant that a text names, without tzinfo."""
    match = _TIME.match(text)
    if match is None:
        raise _wrong_type(text, "a time")
    year, month, day, hour, minute, second, fraction, sign, off_h, off_m = (
        match.groups()
    )
    if fraction and fraction[6:].strip("0"):
        raise ValueRefused(
            Reason.OUT_OF_RANGE, f"{shown(text)} is finer than a microsecond"
        )
    try:
        moment = dt.datetime(  # noqa: DTZ001 - UTC by construction, printed with Z
            int(year), int(month), int(day), int(hour or 0), int(minute or 0),
            int(second or 0), int((fraction or "0")[:6].ljust(6, "0")),
        )  # fmt: skip
        if sign:
            if int(off_h) > MAX_OFFSET_HOURS or int(off_m) > 59:
                raise ValueRefused(
                    Reason.OUT_OF_RANGE,
                    f"{shown(text)}: no such time zone",
                )
            offset = dt.timedelta(hours=int(off_h), minutes=int(off_m))
            moment = moment - offset if sign == "+" else moment + offset
    except (ValueError, OverflowError):
        raise ValueRefused(
            Reason.OUT_OF_RANGE, f"{shown(text)} does not exist in the calendar"
        ) from None
    return moment


class TextCache(dict[str, str]):
    """Texts already converted, by text: the same few times fill most of a message.

    Args:
        convert: Makes the canonical text of a text; raises `ValueRefused`.
        lengths: How long a canonical text can be.

    Attributes:
        known: The texts that are canonical as they are.
        known_or_none: The same, and None: no time at all.
    """

    def __init__(
        self, convert: Callable[[Any], str], lengths: frozenset[int] = frozenset()
    ) -> None:
        self.convert = convert
        self._lengths = lengths
        # They stay the same objects: `structs` keeps their methods.
        self.known: set[str] = set()
        self.known_or_none: set[str | None] = {None}

    def __missing__(self, text: str) -> str:
        canonical = self[text] = self.convert(text)
        self.know(canonical)
        return canonical

    def know(self, canonical: str) -> None:
        """Remembers a canonical text; when there are too many, forgets all."""
        self.known.add(canonical)
        self.known_or_none.add(canonical)
        if len(self.known) > MAX_CACHED_TIMES or len(self) > MAX_CACHED_TIMES:
            self.clear()
            self.known.clear()
            self.known_or_none.clear()
            self.known_or_none.add(None)

    def is_canonical(self, text: str) -> bool:
        """Whether a text is canonical as it is; `known` has it from then on."""
        try:
            # A refusal takes as long as all else that there is to do for a record.
            return len(text) in self._lengths and self[text] == text
        except ValueRefused:
            return False

    def look_up(self, value: Any) -> str:
        """Converts through the cache; a value that is not text is refused."""
        if type(value) is str and len(value) <= MAX_CACHED_LENGTH:
            return self[value]
        return self.convert(value)


class _Timestamps(TextCache):
    """Times: one is canonical if its day is, and its time of day was in another one."""

    def __init__(
        self, convert: Callable[[Any], str], lengths: frozenset[int], days: TextCache
    ) -> None:
        super().__init__(convert, lengths)
        self._days = days
        self._clocks: set[str] = set()  # in whole seconds: 86,400 at most

    def is_canonical(self, text: str) -> bool:
        """Whether a text is canonical as it is; `known` has it from then on."""
        clock = text[10:]
        if clock in self._clocks and self._days.is_canonical(text[:10]):
            self.know(text)
            return True
        if not super().is_canonical(text):
            return False
        if len(clock) == len("T02:31:00Z"):
            self._clocks.add(clock)
        return True


DATES = TextCache(to_date, frozenset({len("2026-05-06")}))
TIMESTAMPS = _Timestamps(
    to_timestamp,
    frozenset({len("2026-05-06T02:31:00Z"), len("2026-05-06T02:31:00.123456Z")}),
    DATES,
)

CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "STRING": to_string,
    "INT64": to_int64,
    "FLOAT64": to_float64,
    "BOOL": to_bool,
    "DATE": DATES.look_up,
    "TIMESTAMP": TIMESTAMPS.look_up,
}
