"""`python -m sql check` on a local BigQuery: each fault is found, and only that."""

import datetime as dt
import itertools
import json

import pytest
from google.cloud import bigquery

from pipeline.registry import Registry, load_registry
from sql.__main__ import main
from sql.apply import apply_tables, apply_views
from sql.check import command as check
from sql.tables import all_tables

pytestmark = pytest.mark.integration

PROJECT = "gb-iris"


def only(*names):
    """A registry of some datasets, whose tables are few to make."""
    return Registry([load_registry()[name] for name in names])


# Every kind of dataset: instants, half-hours with and without series, days, working
# days, and one without a cadence. All 89 are there in the test of an installation.
SOME = only(
    *("BOALF", "DISBSAD", "DISEBSP", "FREQ", "FUELHH", "FUELINST"),
    *("INDO", "INDOD", "TEMP"),
)
# A Wednesday morning in summer time; Monday the 4th was a bank holiday.
AT = "2026-05-06T09:00:00Z"
NOW = dt.datetime(2026, 5, 6, 9, tzinfo=dt.UTC)
FRIDAY, TUESDAY = dt.date(2026, 5, 1), dt.date(2026, 5, 5)
HALF_HOUR = dt.timedelta(minutes=30)
DAY = dt.timedelta(days=1)


@pytest.fixture
def some(monkeypatch):
    monkeypatch.setattr(check, "load_registry", lambda: SOME)


@pytest.fixture
def plant(client, monkeypatch):
    """Makes tables with a fault, in a BigQuery dataset that goes with the test."""
    names = []

    def make(name, rows, registry=SOME):
        monkeypatch.setattr(check, "load_registry", lambda: registry)
        names.append(name)
        fill_tables(client, name, rows, registry)
        return name

    yield make
    for name in names:
        client.delete_dataset(f"{PROJECT}.{name}", delete_contents=True)


@pytest.fixture(scope="module")
def clean(client):
    fill_tables(client, "clean", clean_rows())
    return "clean"


def midnight(day):
    """London's midnight of a day in May, in UTC."""
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC) - 2 * HALF_HOUR


def instants(since, step, until=NOW):
    return itertools.takewhile(
        lambda instant: instant < until, (since + n * step for n in itertools.count())
    )


def half_hours(first, until=NOW):
    """The settlement date, period and start of each half-hour until an instant."""
    for start in instants(midnight(first), HALF_HOUR, until):
        day = (start + 2 * HALF_HOUR).date()
        yield (
            {
                "settlementDate": str(day),
                "settlementPeriod": (start - midnight(day)) // HALF_HOUR + 1,
                "startTime": start.isoformat(),
            },
            start + HALF_HOUR,
        )


def clean_rows():
    """What a healthy day and a half of all these datasets looks like."""
    monday = dt.date(2026, 5, 4)
    rows = {
        "FREQ": [
            row(instant, measurementTime=instant.isoformat(), frequency=50.0)
            for instant in instants(midnight(monday), dt.timedelta(seconds=15))
        ],
        "FUELINST": [
            row(
                instant,
                startTime=instant.isoformat(),
                publishTime=(instant + dt.timedelta(minutes=5)).isoformat(),
                settlementDate=str((instant + 2 * HALF_HOUR).date()),
                fuelType=fuel,
            )
            for instant in instants(midnight(monday), dt.timedelta(minutes=5))
            for fuel in ("CCGT", "WIND")
        ],
        "BOALF": [row(NOW - HALF_HOUR, settlementDate="2026-05-06")],
        "TEMP": [day_row(day, "measurementDate", 15.75) for day in (FRIDAY, TUESDAY)],
        "INDOD": [day_row(day, "settlementDate", 23.25) for day in (FRIDAY, TUESDAY)],
        "FUELHH": [],
        "INDO": [],
        "DISBSAD": [],
        "DISEBSP": [],
    }
    for period, end in half_hours(monday):
        published = {**period, "publishTime": end.isoformat()}
        rows["INDO"].append(row(end, **published, demand=1))
        rows["FUELHH"] += [
            row(end, **published, fuelType=fuel) for fuel in ("CCGT", "OIL", "WIND")
        ]
        without_start = {k: v for k, v in period.items() if k != "startTime"}
        # Some half-hours have several actions.
        actions = 1 + period["settlementPeriod"] % 3
        rows["DISBSAD"] += [row(end, **without_start, id=n + 1) for n in range(actions)]
    for period, end in half_hours(FRIDAY - DAY):
        created = (end + HALF_HOUR).isoformat()
        rows["DISEBSP"].append(row(end, **period, createdDateTime=created))
    return rows


def day_row(day, column, hour):
    published = dt.datetime.combine(day, dt.time(), dt.UTC) + dt.timedelta(hours=hour)
    return row(published, **{column: str(day), "publishTime": published.isoformat()})


NUMBERS = itertools.count()


def row(queued, **values):
    return {
        **values,
        "enqueued_utc": queued.isoformat(),
        # Rows came in late, all at once: this is not what freshness is about.
        "ingested_utc": AT,
        "record_id": f"{next(NUMBERS):032x}",
    }


def ledger_entry(dataset, minute=NOW - DAY, **counts):
    names = ("messages", "records", "rows", "duplicates", "dead_letters", "unmapped")
    zeros = dict.fromkeys(names, 0)
    return {"dataset": dataset, "minute_utc": minute.isoformat(), **zeros, **counts}


def fill_tables(client, dataset, rows, registry=SOME):
    """Makes all tables, and loads rows by IRIS dataset or by table."""
    apply_tables(client, dataset, list(all_tables(registry)), "EU")
    for name, values in rows.items():
        table = registry[name].table if name in registry else name
        name = f"{PROJECT}.{dataset}.{table}"
        job = bigquery.LoadJobConfig(schema=client.get_table(name).schema)
        client.load_table_from_json(values, name, job_config=job).result()


def run_check(capsys, dataset, *options, at=AT):
    """Exit code and document of a check."""
    arguments = ["check", "--project", PROJECT, "--dataset", dataset, "--at", at]
    code = main([*arguments, "--format", "json", *options])
    return code, json.loads(capsys.readouterr().out)


def found(document, *statuses):
    """Check and dataset of the results of some statuses."""
    return {
        (result["check"], result["dataset"])
        for result in document["results"]
        if result["status"] in statuses
    }


def result_of(document, check_name, dataset):
    (result,) = (
        result
        for result in document["results"]
        if (result["check"], result["dataset"]) == (check_name, dataset)
    )
    return result


def test_clean_data_passes_with_its_figures(clean, some, capsys):
    code, document = run_check(capsys, clean)
    assert found(document, "fail", "warn") == set()
    assert (code, document["status"]) == (0, "ok")
    assert document["checked_utc"] == AT
    freq = result_of(document, "completeness", "FREQ")
    assert (freq["expected"], freq["found"], freq["measured"]) == (5760, 5760, 0)
    # Four days: those of Friday to Monday come due together on Wednesday.
    assert result_of(document, "completeness", "DISEBSP")["expected"] == 4 * 48
    assert result_of(document, "completeness", "FUELHH")["expected"] == 3 * 48
    assert result_of(document, "completeness", "DISBSAD")["expected"] == 48
    assert result_of(document, "freshness", "BOALF")["status"] == "info"
    assert result_of(document, "freshness", "BOALF")["measured"] == 30.0


def test_just_after_midnight_everything_is_fresh_and_complete(clean, some, capsys):
    for at in ("2026-05-05T23:05:00Z", "2026-05-06T00:05:00Z"):
        code, document = run_check(
            capsys, clean, "--only", "freshness", "--only", "completeness", at=at
        )
        assert found(document, "fail") == set()
        assert code == 0
        # A sample of that very moment; those that came later are not counted.
        assert result_of(document, "freshness", "FREQ")["measured"] == 0


def test_the_table_shows_faults_in_full_and_sums_up_the_rest(clean, some, capsys):
    later = "2026-05-06T10:00:00Z"
    arguments = ["check", "--project", PROJECT, "--dataset", clean, "--at", later]
    assert main([*arguments, "--only", "freshness"]) == 1
    text = capsys.readouterr().out
    assert "60 minutes since a row of 2026-05-06 08:59:45 UTC" in text
    summary = "freshness: 6 datasets fresh, 1 without a known cadence, 2 stale"
    assert summary in text
    assert "INDOD" not in text
    assert "FAIL" in text


def test_a_backlog_being_caught_up_is_stale(plant, capsys):
    rows = clean_rows()
    old = [r for r in rows["FREQ"] if r["measurementTime"] < "2026-05-06T07:00"]
    name = plant("backlog", {**rows, "FREQ": old})
    code, document = run_check(capsys, name)
    assert code == 1
    assert found(document, "fail", "warn") == {("freshness", "FREQ")}
    assert result_of(document, "freshness", "FREQ")["measured"] == pytest.approx(
        120, abs=1
    )


def test_gaps_are_found_and_named(plant, capsys):
    rows = clean_rows()
    rows["FREQ"] = [
        # One second off the grid is not a gap; half an hour is.
        {**r, "measurementTime": r["measurementTime"].replace(":15+", ":14+")}
        for r in rows["FREQ"]
        if not "2026-05-05T02:15" <= r["measurementTime"] < "2026-05-05T02:45"
    ]
    rows["FUELHH"] = [
        r
        for r in rows["FUELHH"]
        if (r["settlementDate"], r["fuelType"]) != (str(TUESDAY), "OIL")
        or r["settlementPeriod"] not in (3, 17, 18, 19)
    ]
    rows["FUELINST"] = [
        r for r in rows["FUELINST"] if r["startTime"] != "2026-05-05T10:00:00+00:00"
    ]
    rows["DISEBSP"] = [
        r
        for r in rows["DISEBSP"]
        if (r["settlementDate"], r["settlementPeriod"]) != ("2026-05-02", 48)
    ]
    name = plant("gaps", rows)
    code, document = run_check(capsys, name)
    assert code == 1
    datasets = ("FREQ", "FUELHH", "FUELINST", "DISEBSP")
    assert found(document, "fail", "warn") == {("completeness", d) for d in datasets}
    gaps = {d: result_of(document, "completeness", d) for d in datasets}
    assert {d: gap["measured"] for d, gap in gaps.items()} == {
        "FREQ": 120, "FUELHH": 4, "FUELINST": 2, "DISEBSP": 1
    }  # fmt: skip
    assert "02:15:00 to 02:44:45 UTC" in gaps["FREQ"]["detail"]
    assert "settlement periods 3, 17-19 of OIL" in gaps["FUELHH"]["detail"]
    assert "10:00:00 UTC of all series" in gaps["FUELINST"]["detail"]
    assert "2026-05-02 settlement periods 48" in gaps["DISEBSP"]["detail"]


def test_a_series_that_was_there_last_week_is_expected(plant, capsys):
    rows = clean_rows()
    last_week = NOW - 6 * DAY
    lost = {"startTime": last_week.isoformat(), "settlementDate": "2026-04-30"}
    rows["FUELINST"].append(row(last_week, **lost, fuelType="COAL"))
    series = {"FUELINST": rows["FUELINST"]}
    name = plant("lost_series", series, only("FUELINST"))
    _, document = run_check(capsys, name, "--only", "completeness")
    assert found(document, "fail") == {("completeness", "FUELINST")}
    fault = result_of(document, "completeness", "FUELINST")
    assert (fault["expected"], fault["measured"]) == (3 * 288, 288)
    assert fault["detail"].endswith("of COAL")


def test_what_the_unified_view_has_is_no_gap(client, plant, capsys):
    rows = clean_rows()
    gone = [r for r in rows["INDO"] if r["settlementDate"] == str(TUESDAY)]
    rows["INDO"] = [r for r in rows["INDO"] if r not in gone]
    name = plant("history", {"INDO": rows["INDO"]}, only("INDO"))
    _, document = run_check(capsys, name, "--only", "completeness")
    assert found(document, "fail") == {("completeness", "INDO")}
    client.query(
        f"CREATE TABLE {name}.historic AS SELECT DATE '{TUESDAY}' AS settlementDate, "
        "settlementPeriod FROM UNNEST(GENERATE_ARRAY(1, 48)) AS settlementPeriod"
    ).result()
    client.query(
        f"CREATE VIEW {name}.bmrs_indo_unified AS "
        f"SELECT settlementDate, settlementPeriod FROM {name}.bmrs_indo_iris "
        f"UNION ALL SELECT settlementDate, settlementPeriod FROM {name}.historic"
    ).result()
    code, document = run_check(capsys, name, "--only", "completeness")
    assert (code, found(document, "fail")) == (0, set())


def test_a_few_identical_rows_warn(plant, capsys):
    rows = clean_rows()
    rows["FREQ"] += rows["FREQ"][-20:]
    name = plant("few", rows)
    code, document = run_check(capsys, name)
    assert (code, document["status"]) == (0, "warn")
    assert found(document, "fail", "warn") == {("duplicates", "FREQ")}
    warning = result_of(document, "duplicates", "FREQ")
    assert (warning["kind"], warning["measured"]) == ("identical", 20)
    code, document = run_check(capsys, name, "--strict", "--only", "duplicates")
    assert (code, document["status"]) == (1, "fail")


def later(row, minutes=5, **values):
    """A version that IRIS queued later."""
    queued = dt.datetime.fromisoformat(row["enqueued_utc"])
    queued += dt.timedelta(minutes=minutes)
    again = {"enqueued_utc": queued.isoformat(), "record_id": f"{next(NUMBERS):032x}"}
    return {**row, **again, **values}


def test_versions_that_no_view_can_order_fail_and_corrections_do_not(plant, capsys):
    rows = clean_rows()
    last = {dataset: rows[dataset][-1] for dataset in SOME if rows[dataset]}
    # Two values in what was queued at one instant, and two in one message.
    rows["DISBSAD"].append(later(last["DISBSAD"], 0, cost=5.0))
    message = {"message_id": "INDO_202605060905_1.json", "enqueued_utc": None}
    rows["INDO"][-1:] = [
        {**last["INDO"], **message},
        {**later(last["INDO"], demand=2), **message},
    ]
    # A correction of a value that has no time of publication.
    rows["FREQ"].append(later(last["FREQ"], frequency=49.9))
    # A correction that has the time of publication of what it corrects.
    rows["FUELINST"].append(later(last["FUELINST"], generation=1))
    # Another field that the registry does not know.
    rows["FUELHH"].append(later(last["FUELHH"], 0, extra='{"newField": 7}'))
    # The same record, read again with a registry that has one more column.
    same_id = {"record_id": last["DISEBSP"]["record_id"]}
    rows["DISEBSP"].append(later(last["DISEBSP"], 0, systemSellPrice=80.0) | same_id)
    name = plant("unlike", rows)
    code, document = run_check(capsys, name, "--only", "duplicates")
    assert code == 1
    unlike = {
        result["dataset"]: result
        for result in document["results"]
        if result.get("kind") == "natural_key"
    }
    assert {d: (r["status"], r["measured"]) for d, r in unlike.items()} == {
        "DISBSAD": ("fail", 1), "INDO": ("fail", 1), "FUELINST": ("warn", 1),
        "FUELHH": ("warn", 1), "FREQ": ("info", 1),
    }  # fmt: skip
    sample = json.loads(unlike["DISBSAD"]["sample"])
    assert (sample["settlementDate"], sample["id"]) == ("2026-05-06", 3)
    assert "pipeline/datasets/DISBSAD.yaml" in unlike["DISBSAD"]["detail"]


def test_a_set_that_is_sent_again_is_no_failure(plant, capsys):
    """Every action of a day comes again with another cost, a minute later."""
    actions = clean_rows()["DISBSAD"]
    again = [later(row, 1, cost=1.0) for row in actions]
    name = plant("again", {"DISBSAD": actions + again}, only("DISBSAD"))
    code, document = run_check(capsys, name, "--strict", "--only", "duplicates")
    assert (code, found(document, "warn", "fail")) == (0, set())


def test_a_bid_and_an_offer_are_no_versions_but_two_bids_are(plant, capsys):
    run = {
        "settlementDate": "2026-05-05",
        "settlementPeriod": 20,
        "createdDateTime": "2026-05-06T08:00:00Z",
        "nationalGridBmUnit": "UNIT",
        "bmUnit": "T_UNIT",
    }
    bid, offer = {"negative1": -3.0}, {"negative1": 1.0}
    volumes = [row(NOW, **run, pairVolumes=pairs) for pairs in (bid, offer)]
    # The money of the two may look alike.
    cash = [row(NOW, **run, bidOfferPairCashflows=pairs) for pairs in (bid, offer)]
    registry = only("BOAV", "EBOCF")
    name = plant("sides", {"BOAV": volumes, "EBOCF": cash}, registry)
    options = ("--strict", "--only", "duplicates")
    code, document = run_check(capsys, name, *options)
    assert (code, found(document, "info")) == (0, {("duplicates", "EBOCF")})
    volumes.append(row(NOW, **run, pairVolumes={"negative1": -4.0}))
    name = plant("two_bids", {"BOAV": volumes}, registry)
    code, document = run_check(capsys, name, *options)
    assert (code, found(document, "fail")) == (1, {("duplicates", "BOAV")})


def test_the_first_minute_of_a_day_is_compared_and_what_comes_days_later(plant, capsys):
    """Times from London's midnight on; volumes of Sunday are published on Wednesday."""
    first = midnight(TUESDAY)
    message = {"message_id": "FREQ_202605042301_1.json"}
    samples = [
        row(first, **message, measurementTime=first.isoformat(), frequency=frequency)
        for frequency in (50.0, 49.9)
    ]
    run = {
        "settlementDate": str(FRIDAY + 2 * DAY),
        "settlementPeriod": 20,
        "createdDateTime": "2026-05-06T08:00:00Z",
        "nationalGridBmUnit": "UNIT",
        "bmUnit": "T_UNIT",
    }
    volumes = [row(NOW, **run, pairVolumes={"negative1": n}) for n in (-3.0, -4.0)]
    rows = {"FREQ": samples, "BOAV": volumes}
    name = plant("edges", rows, only("FREQ", "BOAV"))
    code, document = run_check(capsys, name, "--only", "duplicates")
    expected = {("duplicates", "FREQ"), ("duplicates", "BOAV")}
    assert (code, found(document, "fail")) == (1, expected)


def test_many_identical_rows_fail(plant, capsys):
    rows = clean_rows()["INDO"]
    name = plant("many", {"INDO": rows + rows}, only("INDO"))
    code, document = run_check(capsys, name)
    assert code == 1
    assert found(document, "fail", "warn") == {("duplicates", "INDO")}
    assert "sql compact" in result_of(document, "duplicates", "INDO")["detail"]


def test_dead_letters_and_unmapped_messages_fail_until_they_are_rows(plant, capsys):
    letter = {
        "dead_letter_id": "1", "failed_utc": "2026-05-06T07:00:00Z", "stage": "coerce",
        "reason": "WRONG_TYPE", "error": "[bold]frequency\x1b[2J: 'x'",
        "dataset": "FREQ", "attempt": 1, "record_index": 0, "record_id": "a",
        "attributes": "{}",
    }  # fmt: skip
    sent = {**letter, "dead_letter_id": "2", "dataset": "INDO", "record_id": "b"}
    lost = {**letter, "dead_letter_id": "3", "dataset": "TEMP", "record_id": "c"}
    good = {**letter, "dead_letter_id": "4", "dataset": "BOALF", "record_id": "d"}
    again = {
        **letter, "dead_letter_id": "5", "dataset": "INDOD", "record_id": "e",
        "attempt": 2, "attributes": '{"replay_of": "earlier"}',
    }  # fmt: skip
    unmapped = {"unmapped_id": "6", "ingested_utc": "2026-05-05T07:00:00Z"}
    known = {**unmapped, "unmapped_id": "7", "dataset": "FREQ"}
    rows = clean_rows()
    rows["BOALF"][0]["record_id"] = "d"
    faults = {
        "iris_dead_letters": [letter, letter, sent, lost, good, again],
        "iris_unmapped": [{**unmapped, "dataset": "NEW"}, known],
        "iris_replays": [
            {"root_id": root, "replayed_utc": f"2026-05-06T{at}:59:00Z", "attempt": 2}
            for root, at in (("2", "08"), ("3", "07"), ("4", "08"))
        ],
    }
    name = plant("left", {**rows, **faults})
    code, document = run_check(capsys, name)
    assert code == 1
    assert found(document, "fail") == {
        ("dead_letters", "FREQ"), ("dead_letters", "INDOD"),
        ("unmapped", "FREQ"), ("unmapped", "NEW"),
    }  # fmt: skip
    assert found(document, "warn") == {("dead_letters", "TEMP")}
    waiting = result_of(document, "dead_letters", "FREQ")
    assert (waiting["measured"], waiting["reason"]) == (1, "WRONG_TYPE")
    assert waiting["last_utc"] == "2026-05-06T07:00:00Z"
    for check_name in ("dead_letters", "unmapped"):
        detail = result_of(document, check_name, "FREQ")["detail"]
        assert "python -m bridge replay" in detail
    assert "sql drift" in result_of(document, "unmapped", "NEW")["detail"]
    assert result_of(document, "dead_letters", "INDO")["status"] == "info"
    assert result_of(document, "dead_letters", "BOALF")["status"] == "ok"
    options = ("--only", "dead_letters", "--only", "unmapped")
    # Nothing of it had happened then; and the unmapped messages are older than a day.
    assert run_check(capsys, name, *options, at="2026-05-05T00:00:00Z")[0] == 0
    _, document = run_check(capsys, name, *options, "--since-days", "1")
    assert {check_name for check_name, _ in found(document, "fail")} == {"dead_letters"}
    arguments = ["check", "--project", PROJECT, "--dataset", name, "--at", AT]
    assert main([*arguments, *options]) == 1
    text = capsys.readouterr().out
    assert "[bold]frequency\\x1b[2J" in text
    assert (
        "dead_letters: 1 kinds that are rows now, 1 kinds replayed, "
        "1 kinds replayed without effect, 2 kinds waiting"
    ) in text


def test_a_ledger_that_does_not_balance_fails_with_its_figures(plant, capsys):
    entries = [
        ledger_entry("FREQ", records=10, messages=2),
        ledger_entry("FREQ", rows=6, duplicates=2),
        ledger_entry("FREQ", dead_letters=1, unmapped=1),
        ledger_entry("INDO", records=5),
        ledger_entry("INDO", rows=4),
        # A running pipeline: records read, rows not written yet.
        ledger_entry("MID", records=100, rows=100),
        ledger_entry("MID", NOW - dt.timedelta(minutes=2), records=20, rows=5),
        # What was lost long ago is also counted now.
        ledger_entry("BOALF", records=1000, rows=970),
        ledger_entry("BOALF", NOW - dt.timedelta(minutes=2), records=40, rows=40),
        # The first minutes of a new installation.
        ledger_entry("TEMP", NOW - dt.timedelta(minutes=1), records=2),
    ]
    name = plant("ledger", {**clean_rows(), "iris_ledger": entries})
    code, document = run_check(capsys, name)
    assert code == 1
    assert found(document, "fail", "warn") == {("ledger", "INDO"), ("ledger", "BOALF")}
    fault = result_of(document, "ledger", "INDO")
    assert (fault["measured"], fault["records"], fault["rows"]) == (1, 5, 4)
    assert result_of(document, "ledger", "BOALF")["measured"] == 30
    for name in ("MID", "TEMP"):
        assert "in flight" in result_of(document, "ledger", name)["detail"]


def test_panes_of_the_ledger_add_up_and_say_what_is_fresh(plant, capsys):
    """The tables have older rows only; one is newer than the ledger knows."""
    start = (NOW - dt.timedelta(minutes=3)).isoformat()
    fresh = {"newest_enqueued_utc": (NOW - dt.timedelta(minutes=2)).isoformat()}
    stale = {"newest_enqueued_utc": (NOW - 5 * HALF_HOUR).isoformat()}
    pane = {"window_start": start, "to_row_count": 1, "to_row_seconds_sum": 0.5}
    entries = [
        ledger_entry("FREQ", NOW - HALF_HOUR, records=3, rows=2, **pane, pane=0),
        ledger_entry("FREQ", NOW - HALF_HOUR, rows=1, **pane, pane=1, **fresh),
        ledger_entry("BOALF", NOW - HALF_HOUR, records=1, rows=1, **fresh),
        ledger_entry("INDO", NOW - DAY, records=1, rows=1, **stale),
        ledger_entry("FUELINST", NOW - DAY, records=1, rows=1, **stale),
    ]
    rows = clean_rows()
    for name in ("FREQ", "FUELINST"):
        rows[name] = [r for r in rows[name] if r["enqueued_utc"] < "2026-05-06T06:00"]
    name = plant("panes", {**rows, "iris_ledger": entries})
    options = ("--only", "freshness", "--only", "ledger")
    code, document = run_check(capsys, name, *options)
    assert (code, found(document, "fail")) == (1, {("freshness", "FUELINST")})
    ages = {d: result_of(document, "freshness", d)["measured"] for d in SOME}
    assert (ages["FREQ"], ages["BOALF"], ages["INDO"]) == (2.0, 2.0, 0.0)
    assert ages["FUELINST"] == 150.0  # by the ledger, as its table is older still
    assert result_of(document, "ledger", "FREQ")["rows"] == 3


def test_a_ledger_of_an_older_release_is_named_with_what_to_do(plant, client, capsys):
    name = plant("older", {"INDO": clean_rows()["INDO"]}, only("INDO"))
    table = f"{PROJECT}.{name}.iris_ledger"
    client.query(f"ALTER TABLE `{table}` DROP COLUMN newest_enqueued_utc").result()
    code, document = run_check(capsys, name, "--only", "freshness")
    assert code == 1
    assert "python -m sql apply" in result_of(document, "freshness", None)["detail"]
    apply_tables(client, name, list(all_tables(only("INDO"))), "EU")
    code, document = run_check(capsys, name, "--only", "freshness")
    assert (code, found(document, "fail")) == (0, set())


def test_a_check_that_cannot_read_fails_and_the_others_go_on(plant, client, capsys):
    """A view whose table has gone."""
    name = plant("broken", clean_rows())
    view = f"`{PROJECT}.{name}.bmrs_freq_unified`"
    client.query(f"CREATE TABLE {name}.gone (a INT64)").result()
    client.query(f"CREATE VIEW {view} AS SELECT a FROM {name}.gone").result()
    client.query(f"DROP TABLE {name}.gone").result()
    code, document = run_check(capsys, name)
    assert code == 1
    assert found(document, "fail") == {("completeness", None)}
    assert result_of(document, "freshness", "FREQ")["status"] == "ok"


def test_an_unknown_field_warns(plant, capsys):
    rows = clean_rows()["INDO"]
    rows[-1]["extra"] = json.dumps({"newField": 7})
    name = plant("drifted", {"INDO": rows}, only("INDO"))
    code, document = run_check(capsys, name)
    assert code == 0
    assert found(document, "fail", "warn") == {("drift", "INDO")}
    warning = result_of(document, "drift", "INDO")
    assert (warning["field"], warning["measured"]) == ("newField", 1)
    assert (warning["sample"], warning["suggested_type"]) == ("7", "INT64")
    assert "python -m sql drift" in warning["detail"]


def test_a_daily_dataset_may_pause_for_the_weekend_but_not_for_a_working_day(
    plant, capsys
):
    week = [
        day_row(dt.date(2026, 5, day), "measurementDate", 15.75) for day in range(5, 9)
    ]
    plant("weekend", {"TEMP": week}, only("TEMP"))
    plant("no_friday", {"TEMP": week[:-1]}, only("TEMP"))
    options = ("--only", "freshness", "--only", "completeness")
    for at in ("2026-05-10T12:00:00Z", "2026-05-10T23:05:00Z", "2026-05-11T08:00:00Z"):
        code, document = run_check(capsys, "weekend", *options, at=at)
        assert found(document, "fail") == set()
        assert code == 0
    monday = "2026-05-11T08:00:00Z"
    code, document = run_check(capsys, "no_friday", *options, at=monday)
    assert code == 1
    assert found(document, "fail") == {("freshness", "TEMP"), ("completeness", "TEMP")}
    assert "2026-05-08" in result_of(document, "completeness", "TEMP")["detail"]


def test_a_day_before_the_first_row_is_no_gap_but_a_silent_one_is(plant, capsys):
    rows = clean_rows()["INDO"]
    today = [r for r in rows if r["settlementDate"] == "2026-05-06"]
    plant("first_day", {"INDO": today}, only("INDO"))
    code, document = run_check(capsys, "first_day")
    assert code == 0
    assert result_of(document, "completeness", "INDO")["status"] == "info"
    old = {**today[0], "settlementDate": "2026-03-01", "record_id": "old"}
    plant("silent", {"INDO": [*today, old]}, only("INDO"))
    code, document = run_check(capsys, "silent")
    assert code == 1
    assert found(document, "fail") == {("completeness", "INDO")}
    assert result_of(document, "completeness", "INDO")["measured"] == 48


def test_history_that_ended_before_iris_began_is_no_gap(client, plant, capsys):
    """It has a series of last week, and the first half-hour of the day looked at."""
    registry = only("FUELHH", "INDO")
    dataset = plant("history_alone", {}, registry)
    client.query(
        f"CREATE TABLE {dataset}.bmrs_fuelhh AS SELECT DATE '2026-05-02' AS "
        "settlementDate, 1 AS settlementPeriod, 'CCGT' AS fuelType"
    ).result()
    client.query(
        f"CREATE TABLE {dataset}.bmrs_indo AS "
        "SELECT DATE '2026-05-05' AS settlementDate, 1 AS settlementPeriod"
    ).result()
    assert apply_views(client, dataset, registry).conflicts == []
    code, document = run_check(capsys, dataset, "--only", "completeness")
    assert code == 0
    assert found(document, "info") == {
        ("completeness", "FUELHH"),
        ("completeness", "INDO"),
    }


def test_silence_is_a_failure_once_there_was_a_row(clean, some, capsys):
    code, document = run_check(
        capsys, clean, "--only", "freshness", at="2026-06-30T09:00:00Z"
    )
    assert code == 1
    assert found(document, "fail") == {
        ("freshness", dataset) for dataset in SOME if dataset != "BOALF"
    }
    assert result_of(document, "freshness", "FREQ")["detail"] == "no row in 10 days"


def test_a_missing_table_fails_and_leaves_the_others_to_be_checked(
    client, plant, capsys
):
    rows = {"INDO": clean_rows()["INDO"]}
    name = plant("missing", rows)
    client.delete_table(f"{PROJECT}.{name}.bmrs_freq_iris")
    client.delete_table(f"{PROJECT}.{name}.iris_ledger")
    code, document = run_check(capsys, name)
    assert code == 1
    assert found(document, "fail") == {("tables", "FREQ"), ("tables", "iris_ledger")}
    advice = result_of(document, "tables", "FREQ")["detail"]
    assert advice == "no table bmrs_freq_iris: run `python -m sql apply`"
    assert result_of(document, "completeness", "INDO")["status"] == "ok"


def test_a_wrong_option_or_dataset_is_told_in_one_line(client, capsys):
    command = ["check", "--project", PROJECT, "--dataset"]
    assert main([*command, "nowhere"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    for wrong in (
        ["--at", "2026-05-06T09:00:00"],
        ["--at", "yesterday"],
        ["--at", "0001-01-01T00:00:00+05:00"],
        ["--at", "9999-12-31T00:00:00Z"],
        ["--days", "0"],
        ["--only", "nothing"],
    ):
        with pytest.raises(SystemExit) as ended:
            main([*command, "nowhere", *wrong])
        assert ended.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
