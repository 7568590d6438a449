"""Logs: one JSON object a line, no secrets, no floods."""

import json
import logging
import sys
from typing import Any

from bridge.logs import JsonFormatter, Redactor, RepeatFilter
from command.text import one_line

SECRET = 'very"secret\\value'


def record(
    message: str, level: int = logging.WARNING, **extra: Any
) -> logging.LogRecord:
    made = logging.LogRecord("bridge", level, "", 0, message, (), None)
    made.__dict__.update(extra)
    return made


def test_a_line_is_one_json_object_with_its_fields() -> None:
    line = JsonFormatter(Redactor()).format(record("a\nb", fields={"count": 3}))
    assert "\n" not in line
    content = json.loads(line)
    assert content["time"].endswith("Z")
    assert (content["level"], content["message"]) == ("warning", "a\nb")
    assert content["severity"] == "WARNING"
    assert content["count"] == 3


def test_an_exception_stays_on_the_line() -> None:
    made = record("failed")
    try:
        raise ValueError(SECRET)
    except ValueError:
        made.exc_info = sys.exc_info()
    line = JsonFormatter(Redactor([SECRET])).format(made)
    assert "ValueError: ***" in json.loads(line)["traceback"]


def test_no_secret_reaches_a_line() -> None:
    formatter = JsonFormatter(Redactor([SECRET, "other-secret"]))
    made = record(f"token {SECRET}", fields={"error": f"bad {SECRET} other-secret"})
    content = json.loads(formatter.format(made))
    assert content["message"] == "token ***"
    assert content["error"] == "bad *** ***"


def test_a_part_of_a_word_is_no_secret() -> None:
    assert Redactor(["K"])("OK") == "OK"


def test_a_repeated_message_passes_once_in_its_window_and_is_counted() -> None:
    now = 0.0
    repeats = RepeatFilter(window_seconds=30, clock=lambda: now)
    assert [repeats.filter(record("down")) for _ in range(3)] == [True, False, False]
    assert repeats.filter(record("something else"))
    now = 31.0
    later = record("down", fields={"in_flight": 5})
    assert repeats.filter(later)
    assert later.fields == {"in_flight": 5, "suppressed": 2}


def test_every_error_is_logged() -> None:
    repeats = RepeatFilter()
    passed = [repeats.filter(record("lost", logging.ERROR)) for _ in range(2)]
    assert passed == [True, True]


def test_the_repeat_filter_forgets() -> None:
    now = 0.0
    repeats = RepeatFilter(window_seconds=1, clock=lambda: now)
    for number in range(1_000):
        now = float(number)
        repeats.filter(record(f"message {number}"))
    assert len(repeats.seen) < 20


def test_an_error_becomes_one_line() -> None:
    assert one_line(ValueError("a\n  b")) == "ValueError: a b"
    assert one_line(TimeoutError()) == "TimeoutError"
    assert len(one_line(ValueError("x" * 1_000))) == 300
