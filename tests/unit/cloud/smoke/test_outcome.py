"""What is concluded from tables, ledger and views. No server is asked."""

import datetime as dt
from collections import Counter

import pytest

from cloud.deployment import Deployment
from cloud.smoke import arrivals, ledger, views
from cloud.smoke.arrivals import Arrived
from cloud.smoke.messages import new_run

DEPLOYMENT = Deployment("my-project", "europe-west2")
RUN = new_run(dt.datetime(2026, 5, 6, 3, tzinfo=dt.UTC))
BOALF, FUEL, _, MID, BAD, BROKEN, UNKNOWN = (each.message_id for each in RUN.messages)
ROWS = {BOALF: 2, FUEL: 2, MID: 2, BAD: 1}
LETTERS = {(BAD, "WRONG_TYPE"): 1, (BROKEN, "INVALID_JSON"): 1}


def everything(**changes):
    values = {
        "copies": Counter(ROWS),
        "records": Counter(ROWS),
        "letters": Counter(LETTERS),
        "errors": {"WRONG_TYPE": "levelFrom", "INVALID_JSON": "cut off"},
        "unmapped": Counter({UNKNOWN: 1}),
        "apart_seconds": dict.fromkeys(ROWS, 0.0),
    }
    return Arrived(**(values | changes))


def judged(found):
    findings = arrivals.findings(RUN, found, DEPLOYMENT, "after 9 s")
    return {each.name: each for each in findings}


def test_everything_came():
    assert arrivals.is_settled(RUN, everything())
    assert {each.verdict for each in judged(everything()).values()} == {"ok"}


def test_nothing_came():
    assert not arrivals.is_settled(RUN, Arrived())
    findings = judged(Arrived())
    assert {each.verdict for each in findings.values()} == {"FAILED"}
    assert "gcloud run jobs execute iris-drain --region europe-west2" in (
        findings["rows"].todo
    )


def test_it_does_not_wait_for_rows_that_bigquery_refused():
    refused = Counter({**LETTERS, (MID, "INSERT_REJECTED"): 2})
    records = Counter({**ROWS, MID: 0})
    found = everything(copies=records, records=records, letters=refused)
    found.errors["INSERT_REJECTED"] = "no such field: price"
    assert arrivals.is_settled(RUN, found)
    finding = judged(found)["dead letters"]
    assert finding.verdict == "FAILED"
    assert finding.seen == "INSERT_REJECTED: no such field: price"


def test_a_copy_alone_does_not_settle_its_message():
    assert not arrivals.is_settled(RUN, everything(records=Counter({FUEL: 2})))


def duplicate(found, unified=None, dropped=2):
    unified = ROWS if unified is None else unified
    counts = {"FUELINST": dropped}
    return arrivals.duplicate(RUN, found, unified, counts, DEPLOYMENT)


def doubled(apart_seconds):
    copies = Counter({**ROWS, FUEL: 4})
    return everything(copies=copies, apart_seconds={FUEL: apart_seconds})


def test_a_duplicate_that_was_dropped():
    assert duplicate(everything()).verdict == "ok"


@pytest.mark.parametrize(
    ("found", "shown", "dropped", "seen"),
    [
        pytest.param(doubled(3.0), 2, 0, "4 rows of 2 records", id="in one round"),
        pytest.param(everything(), 2, 0, "BigQuery dropped one", id="in the ledger"),
        pytest.param(doubled(300.0), 4, 0, "_unified shows 4", id="in the views"),
    ],
)
def test_a_duplicate_that_was_not_dropped(found, shown, dropped, seen):
    finding = duplicate(found, {**ROWS, FUEL: shown}, dropped)
    assert finding.verdict == "FAILED"
    assert seen in finding.seen


def test_copies_to_two_drains_are_both_there():
    assert duplicate(doubled(300.0), dropped=0).verdict == "ok"


def test_a_duplicate_that_nobody_saw_is_not_known():
    assert duplicate(Arrived()).verdict == "not known"


COUNTS = ("messages", "records", "rows", "duplicates", "dead_letters", "unmapped")
GROWN = {
    "BOALF": (2, 4, 3, 0, 1, 0),
    "FUELINST": (2, 4, 2, 2, 0, 0),
    "MID": (2, 3, 2, 0, 1, 0),
    "SMOKE": (1, 1, 0, 0, 0, 1),
}


def sums(**changes):
    given = GROWN | changes
    return {k: dict(zip(COUNTS, counts, strict=True)) for k, counts in given.items()}


def lacking(before, after):
    return ledger.shortcomings(RUN, before, after)


def test_a_ledger_that_counts_the_run_alone():
    assert lacking({}, sums()) == []
    assert ledger.finding(RUN, {}, sums(), DEPLOYMENT, settled=True).verdict == "ok"


def test_a_ledger_that_counts_real_messages_too():
    after = sums(MID=(102, 203, 202, 0, 1, 0))
    before = {"MID": dict(zip(COUNTS, (90, 180, 180, 0, 0, 0), strict=True))}
    assert lacking(before, after) == []


def test_a_duplicate_may_be_counted_as_a_row():
    assert lacking({}, sums(FUELINST=(2, 4, 4, 0, 0, 0))) == []


def test_a_record_that_the_ledger_lost():
    after = sums(MID=(2, 3, 1, 0, 1, 0))
    assert lacking({}, after) == [
        "MID: 1 of 2 rows and duplicates",
        "MID: 1 records without an outcome",
    ]
    assert ledger.finding(RUN, {}, after, DEPLOYMENT, settled=True).verdict == "FAILED"


def test_what_was_lost_before_the_run_is_not_the_runs():
    before = {"MID": dict(zip(COUNTS, (1, 2, 1, 0, 0, 0), strict=True))}
    assert lacking(before, sums(MID=(3, 5, 3, 0, 1, 0))) == []


def test_a_copy_in_flight_while_real_rows_arrive():
    """The test waits for it, and in the end accepts a row in its place."""
    after = sums(FUELINST=(3, 24, 24, 0, 0, 0))
    assert lacking({}, after) == []
    assert not ledger.has_duplicates(RUN, {}, after)
    assert ledger.has_duplicates(RUN, {}, sums())


def test_an_empty_ledger():
    assert "SMOKE: 0 of 1 unmapped" in lacking({}, {})


def test_a_ledger_of_messages_that_have_not_arrived_is_not_known():
    assert ledger.finding(RUN, {}, {}, DEPLOYMENT, settled=False).verdict == "not known"


def in_views(unified=ROWS, latest=ROWS, held=None):
    held = {BAD: 1, BROKEN: 1, UNKNOWN: 1} if held is None else held
    found = views.findings(everything(), unified, latest, held, DEPLOYMENT)
    return {each.name: each for each in found}


def test_views_that_show_the_rows():
    assert {each.verdict for each in in_views().values()} == {"ok"}


def test_a_view_that_has_nothing_to_show_is_not_known():
    found = views.findings(Arrived(), {}, {}, {}, DEPLOYMENT)
    assert {each.verdict for each in found} == {"not known"}


def test_a_view_that_does_not_answer():
    finding = in_views(latest="Not found: Table bmrs_mid_latest")["_latest views"]
    assert (finding.verdict, finding.seen) == (
        "FAILED",
        "Not found: Table bmrs_mid_latest",
    )


def test_a_view_that_lacks_a_row():
    finding = in_views(unified={**ROWS, MID: 1})["_unified views"]
    assert finding.seen == f"1 rows of {MID}, not 2"


def test_what_is_held_and_not_shown():
    assert in_views(held={BAD: 1})["iris_held"].verdict == "FAILED"
