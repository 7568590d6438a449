"""The counts of a run, and when they balance."""

from datetime import UTC, datetime

from local.stack.summary import Counts, Delays, since, summarize, total

START = datetime(2026, 5, 6, 12, 0, tzinfo=UTC)
END = datetime(2026, 5, 6, 12, 0, 31, tzinfo=UTC)
FREQ = Counts(messages=2, records=5, rows=4, duplicates=1)


def test_a_record_that_ended_as_nothing_is_out_of_balance():
    assert FREQ.balanced
    assert not (FREQ + Counts(records=1)).balanced


def test_only_what_came_on_top_of_the_start_counts():
    now = {"FREQ": FREQ, "MID": FREQ + FREQ, "PN": FREQ}
    assert since({"FREQ": FREQ, "MID": FREQ}, now) == {"MID": FREQ, "PN": FREQ}


def test_the_summary_has_totals_and_datasets():
    summary = summarize({"MID": FREQ, "FREQ": FREQ}, 4, START, END)
    assert summary["balanced"] is True
    assert summary["messages"] == summary["total"]["messages"] == 4
    assert list(summary["datasets"]) == ["FREQ", "MID"]
    assert summary["datasets"]["MID"]["duplicates"] == 1
    assert (summary["started"], summary["seconds"]) == ("2026-05-06T12:00:00Z", 31.0)


def test_a_message_not_accounted_for_is_out_of_balance():
    assert not summarize({"FREQ": FREQ}, 3, START, END)["balanced"]
    assert summarize({"FREQ": FREQ}, 1, START, END)["balanced"]  # one came twice


def test_errors_of_two_datasets_do_not_make_up_for_each_other():
    ledger = {"A": Counts(records=1, rows=2), "B": Counts(records=2, rows=1)}
    assert total(ledger).balanced
    assert not summarize(ledger, 0, START, END)["balanced"]


def test_means_are_made_of_sums_over_all_datasets():
    slow = Delays(START, 1, 9.0, 9.0, 2, 1.0, 0.75)
    quick = Delays(END, 3, 3.0, 2.0)
    summary = summarize({}, 0, START, END, {"FREQ": slow, "BOD": quick})["delays"]
    assert summary["total"] == {
        "newest_event_utc": "2026-05-06T12:00:31Z",
        "to_pubsub_seconds_mean": 3.0,
        "to_pubsub_seconds_max": 9.0,
        "to_row_seconds_mean": 0.5,
        "to_row_seconds_max": 0.75,
    }
    assert list(summary["datasets"]) == ["BOD", "FREQ"]
    assert summary["datasets"]["BOD"]["to_row_seconds_mean"] is None
    nothing = summarize({}, 0, START, END)["delays"]["total"]
    assert set(nothing.values()) == {None}
