"""The last lines of a run that held something back."""

from pipeline.core.reasons import UNMAPPED, reasons_lines


def test_reasons_are_named_the_most_frequent_first_with_what_to_do():
    reasons = {
        ("INVALID_JSON", "FREQ"): 2,
        ("WRONG_TYPE", "REMIT"): 1_000,
        (UNMAPPED, "NEW\n"): 5,
    }
    assert list(reasons_lines(reasons, "make query SQL=")) == [
        "dead letters: 1,000 WRONG_TYPE of REMIT, 2 INVALID_JSON of FREQ"
        " (docs/dead-letters.md)",
        'look at them: make query SQL="SELECT dataset, reason, error FROM '
        'iris_dead_letters ORDER BY failed_utc DESC LIMIT 20"',
        "messages of unknown datasets: 5 of NEW\\n (docs/registry.md)",
    ]


def test_nothing_held_back_is_no_line():
    assert not list(reasons_lines({}, "make query SQL="))
