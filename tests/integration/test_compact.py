"""Removing copies from tables as users have them, in the local BigQuery."""

import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from pipeline.registry import load_registry
from sql.__main__ import main
from sql.apply import apply_tables
from sql.compact.bounded_queries import MEBIBYTE, ask
from sql.compact.compaction import deduplicate_statement, remove_copies
from sql.compact.day_progress import DayProgress
from sql.tables import DEAD_LETTERS, dataset_table
from tests.integration.bigquery_fixture import own_dataset

pytestmark = pytest.mark.integration

PROJECT = "gb-iris"
FREQ = dataset_table(load_registry()["FREQ"])
META8 = (
    "_dataset STRING, _window_from_utc STRING, _window_to_utc STRING, "
    "_ingested_utc STRING, _source_columns STRING, _source_api STRING, "
    "_hash_source_cols STRING, _hash_key STRING"
)
META4 = (
    "_dataset STRING, _window_from_utc STRING, _window_to_utc STRING, "
    "_ingested_utc STRING"
)
FUELINST = (
    "dataset STRING, publishTime DATETIME, startTime DATETIME, "
    "settlementDate DATETIME, settlementPeriod INT64, fuelType STRING, "
    f"generation INT64, {META8}"
)
MID_OF_STRINGS = (
    "dataset STRING, startTime STRING, dataProvider STRING, settlementDate STRING, "
    f"settlementPeriod INT64, price FLOAT64, volume FLOAT64, {META4}"
)
FREQ_OF_OTHER_NAMES = (
    "reportSnapshotTime STRING, frequency FLOAT64, source STRING, ingested_utc STRING"
)
COSTS = (
    "settlementDate DATETIME, settlementPeriod INT64, startTime DATETIME, "
    f"createdDateTime DATETIME, systemSellPrice FLOAT64, bsadDefaulted BOOL, {META8}"
)
BOAV = (
    "createdDateTime STRING, settlementDate STRING, settlementPeriod INT64, "
    "bmUnit STRING, acceptanceId INT64, totalVolumeAccepted FLOAT64, "
    "pairVolumes ARRAY<STRUCT<pairId INT64, volume FLOAT64>>, _fetched_date STRING, "
    "_fetched_sp INT64, _direction STRING, _ingested_utc STRING"
)


@pytest.fixture
def dataset(client, request) -> str:
    return own_dataset(client, request)


@pytest.fixture
def compact(dataset):
    return lambda *words: main(
        ["compact", *words, "--project", PROJECT, "--dataset", dataset]
    )


def make(client, dataset, table, columns, rows, partition=""):
    """A table of these rows, by a load job: nothing is converted on the way."""
    name = f"{PROJECT}.{dataset}.{table}"
    client.query(f"CREATE TABLE `{name}` ({columns}) {partition}").result()
    config = bigquery.LoadJobConfig(
        schema=client.get_table(name).schema,
        source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
    )
    client.load_table_from_json(rows, name, job_config=config).result()
    return name


def content(client, name):
    """All rows, as text, with how often each is there."""
    statement = f"SELECT TO_JSON_STRING(t) AS text FROM `{name}` AS t"
    return Counter(row.text for row in client.query(statement).result())


def data(client, name, *columns):
    statement = f"SELECT {', '.join(columns)} FROM `{name}`"
    return Counter(tuple(row.values()) for row in client.query(statement).result())


def loads(row, count, **other):
    """The row as `count` loads left it, the first one last."""
    return [
        row | {"_ingested_utc": f"2025-10-27T{count - number:02}:00:00", **other}
        | {"_hash_key": f"{number}", "_window_from_utc": f"{number}"}
        for number in range(count)
    ]  # fmt: skip


def fuelinst(days, fuels=("WIND", "CCGT"), copies=5):
    """The first half-hour of each day: six values of each fuel, each of them copied."""
    return [
        row
        for day in days
        for fuel in fuels
        for minute in range(0, 30, 5)
        for row in loads(
            {
                "dataset": "FUELINST",
                "publishTime": f"{day}T00:{minute + 5:02}:00",
                "startTime": f"{day}T00:{minute:02}:00",
                "settlementDate": f"{day}T00:00:00",
                "settlementPeriod": 1,
                "fuelType": fuel,
                # A value that stays the same for a while is not a copy of itself.
                "generation": 1000 + minute // 10,
            },
            copies,
        )
    ]


DAYS = [f"2025-10-2{number}" for number in range(1, 7)]
VALUES = ("publishTime", "settlementDate", "fuelType", "generation")
BY_DAY = "PARTITION BY DATETIME_TRUNC(settlementDate, DAY)"


@pytest.mark.parametrize("partition", ["", BY_DAY])
def test_every_five_minute_value_of_fuelinst_stays_once(
    client, dataset, compact, partition
):
    name = make(
        client, dataset, "bmrs_fuelinst", FUELINST, fuelinst(DAYS, copies=20), partition
    )
    before = data(client, name, *VALUES)
    assert set(before.values()) == {20}
    assert compact("bmrs_fuelinst", "--execute") == 0
    after = data(client, name, *VALUES)
    assert after.keys() == before.keys()
    assert set(after.values()) == {1}
    assert after.total() == 6 * 2 * len(DAYS)


def test_the_row_that_was_loaded_first_stays(client, dataset, compact):
    name = make(client, dataset, "bmrs_fuelinst", FUELINST, fuelinst(DAYS[:1]))
    assert compact("bmrs_fuelinst", "--execute") == 0
    kept = data(client, name, "_ingested_utc", "_hash_key")
    assert kept == {("2025-10-27T01:00:00", "4"): 12}


def test_dates_that_are_strings_of_every_form(client, dataset, compact):
    forms = ("2025-10-26", "2025-10-26T00:00:00", "2025-10-26 00:00:00",
             "2025-10-27T00:00:00.0000000+00:00", "no date", "")  # fmt: skip
    rows = [
        row
        for form in forms
        for period in range(1, 51)
        for row in loads(
            {"settlementDate": form, "settlementPeriod": period, "price": 1.5}, 3
        )
    ]
    for row in rows:
        del row["_hash_key"]
    name = make(client, dataset, "bmrs_mid", MID_OF_STRINGS, rows)
    before = data(client, name, "settlementDate", "settlementPeriod", "price")
    assert compact("bmrs_mid", "--execute") == 0
    after = data(client, name, "settlementDate", "settlementPeriod", "price")
    assert after == Counter(before.keys())


def test_a_table_of_other_names_wants_its_day_column(client, dataset, compact, capsys):
    rows = [
        {
            "reportSnapshotTime": f"2022-07-01T01:3{minute}:00.0000000+00:00",
            "frequency": 50.0 + value,
            "source": f"file {number}",
            "ingested_utc": f"2023-01-0{number}",
        }
        for minute in range(3)
        for value in (0.0, 0.1)
        for number in range(1, 5)
    ]
    name = make(client, dataset, "bmrs_freq", FREQ_OF_OTHER_NAMES, rows)
    assert compact("bmrs_freq", "--execute") == 2
    assert "--day-column: reportSnapshotTime" in capsys.readouterr().err
    assert compact("bmrs_freq", "--day-column", "reportSnapshotTime", "--execute") == 0
    columns = ("reportSnapshotTime", "frequency", "source")
    kept = data(client, name, *columns)
    assert kept == Counter(
        {(row[columns[0]], row["frequency"], "file 1") for row in rows}
    )


def test_a_later_version_of_a_price_stays(client, dataset, compact):
    price = {
        "settlementDate": "2025-03-01T00:00:00",
        "settlementPeriod": 1,
        "startTime": "2025-03-01T00:00:00",
        "systemSellPrice": 80.0,
        "bsadDefaulted": False,
    }
    versions = [
        price | {"createdDateTime": "2025-03-01T01:00:00"},
        price | {"createdDateTime": "2025-03-02T01:00:00"},
        price | {"createdDateTime": "2025-03-02T01:00:00", "systemSellPrice": None},
        price | {"createdDateTime": "2025-03-02T01:00:00", "systemSellPrice": 0.0},
    ]
    rows = [row for version in versions for row in loads(version, 3)]
    name = make(client, dataset, "bmrs_costs", COSTS, rows)
    assert compact("bmrs_costs", "--execute") == 0
    assert data(client, name, "createdDateTime", "systemSellPrice") == {
        (datetime(2025, 3, 1, 1), 80.0): 1,  # noqa: DTZ001 - a DATETIME column
        (datetime(2025, 3, 2, 1), 80.0): 1,  # noqa: DTZ001
        (datetime(2025, 3, 2, 1), None): 1,  # noqa: DTZ001
        (datetime(2025, 3, 2, 1), 0.0): 1,  # noqa: DTZ001
    }


def test_nested_values_and_the_side_of_an_acceptance_tell_rows_apart(
    client, dataset, compact
):
    volumes = ([], [{"pairId": 1, "volume": 2.5}], [{"pairId": 1, "volume": None}],
               [{"pairId": pair, "volume": 2.5} for pair in (1, 2)])  # fmt: skip
    rows = [
        {
            "settlementDate": "2025-12-14",
            "acceptanceId": 7,
            "pairVolumes": pairs,
            "_direction": direction,
            "_fetched_sp": load,
            "_ingested_utc": f"2025-12-1{load}",
        }
        for pairs in volumes
        for direction in ("bid", "offer")
        for load in range(3)
    ]
    name = make(client, dataset, "bmrs_boav", BOAV, rows)
    before = data(client, name, "TO_JSON_STRING(pairVolumes)", "_direction")
    assert set(before.values()) == {3}
    assert compact("bmrs_boav", "--execute") == 0
    after = data(client, name, "TO_JSON_STRING(pairVolumes)", "_direction")
    assert after == Counter(before.keys())
    assert set(data(client, name, "_fetched_sp")) == {(0,)}


def test_rows_without_a_day_are_a_step_of_their_own(client, dataset, compact, capsys):
    nowhere = loads({"fuelType": "WIND", "generation": 5}, 4)
    nowhere += loads({"fuelType": None, "generation": 5}, 2)
    rows = fuelinst(DAYS[:1], copies=1) + nowhere
    name = make(client, dataset, "bmrs_fuelinst", FUELINST, rows, BY_DAY)
    assert compact("bmrs_fuelinst") == 0
    printed = capsys.readouterr().out
    assert "bmrs_fuelinst rows without a day: 6 rows, 2 distinct, 4 copies" in printed
    assert compact("bmrs_fuelinst", "--execute") == 0
    undated = {key: n for key, n in data(client, name, *VALUES).items() if not key[1]}
    assert undated == {(None, None, "WIND", 5): 1, (None, None, None, 5): 1}
    assert content(client, name).total() == 12 + 2


def test_the_dry_run_counts_and_changes_nothing(client, dataset, compact, capsys):
    rows = fuelinst(DAYS[:2], copies=3) + fuelinst(DAYS[2:3], copies=1)
    name = make(client, dataset, "bmrs_fuelinst", FUELINST, rows, BY_DAY)
    before = content(client, name)
    assert compact("bmrs_fuelinst") == 0
    printed = capsys.readouterr().out
    assert content(client, name) == before
    assert "bmrs_fuelinst 2025-10-21: 36 rows, 12 distinct, 24 copies" in printed
    assert "2025-10-23" not in printed
    assert "84 rows in 3 days, 48 copies in 2 days" in printed
    assert printed.splitlines()[-1] == (
        "to remove them: python -m sql compact bmrs_fuelinst --project gb-iris "
        f"--dataset {dataset} --execute"
    )


def test_an_unpartitioned_table_is_told_to_be_read_once_for_each_day(
    client, dataset, compact, capsys
):
    name = make(client, dataset, "bmrs_fuelinst", FUELINST, fuelinst(DAYS))
    assert compact("bmrs_fuelinst") == 0
    printed = capsys.readouterr().out
    assert (
        "not partitioned by settlementDate: each day reads the whole table, 6 x"
        in printed
    )
    start, end = printed.index("-- A copy"), printed.index("nothing was changed")
    client.query(printed[start:end]).result()
    copy = client.get_table(f"{name}_by_day")
    assert copy.time_partitioning.field == "settlementDate"
    assert content(client, f"{name}_by_day") == content(client, name)


def test_a_partitioned_copy_of_a_table_of_strings(client, dataset, compact, capsys):
    row = {"settlementDate": "2025-10-26T00:00:00", "price": 1.0}
    make(client, dataset, "bmrs_mid", MID_OF_STRINGS, [row, row])
    assert compact("bmrs_mid") == 0
    printed = capsys.readouterr().out
    client.query(
        printed[printed.index("-- A copy") : printed.index("nothing was")]
    ).result()
    name = f"{PROJECT}.{dataset}.bmrs_mid_by_day"
    assert data(client, name, "partition_day") == {(date(2025, 10, 26),): 2}
    assert compact("bmrs_mid_by_day", "--execute") == 0
    assert data(client, name, "price") == {(1.0,): 1}


def test_a_second_run_has_nothing_to_do(client, dataset, compact, capsys):
    name = make(client, dataset, "bmrs_fuelinst", FUELINST, fuelinst(DAYS[:2]))
    assert compact("bmrs_fuelinst", "--execute") == 0
    once = content(client, name)
    capsys.readouterr()
    assert compact("bmrs_fuelinst", "--execute") == 0
    assert "nothing to do" in capsys.readouterr().out
    assert content(client, name) == once


def test_from_and_to_bound_the_days(client, dataset, compact):
    rows = fuelinst(DAYS, copies=2) + loads({"fuelType": "WIND"}, 2)
    name = make(client, dataset, "bmrs_fuelinst", FUELINST, rows, BY_DAY)
    bounds = ("--from", "2025-10-23", "--to", "2025-10-24")
    assert compact("bmrs_fuelinst", *bounds, "--execute") == 0
    assert copies_by_day(client, name) == {
        "2025-10-21": 2, "2025-10-22": 2, "2025-10-23": 1, "2025-10-24": 1,
        "2025-10-25": 2, "2025-10-26": 2, None: 2,
    }  # fmt: skip


def copies_by_day(client, name):
    """How often the rows of each day are there; each test copies them alike."""
    values = data(client, name, *VALUES)
    found = {(key[1] and f"{key[1]:%Y-%m-%d}", n) for key, n in values.items()}
    assert len(dict(found)) == len(found), "a day is half done"
    return dict(found)


def test_an_interruption_leaves_days_done_or_untouched_and_a_restart_goes_on(
    client, dataset, compact, monkeypatch, capsys
):
    name = make(client, dataset, "bmrs_fuelinst", FUELINST, fuelinst(DAYS), BY_DAY)
    seen = []

    def interrupt(self, step, removed):
        seen.append(step.day.date)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(DayProgress, "report", interrupt)
        assert compact("bmrs_fuelinst", "--execute") == 130
    assert "2 days, 4 left: run it again" in capsys.readouterr().out
    assert seen == DAYS[:2]
    assert list(copies_by_day(client, name).values()).count(1) == 2
    assert compact("bmrs_fuelinst", "--execute") == 0
    assert "4 days" in capsys.readouterr().out
    assert set(copies_by_day(client, name).values()) == {1}


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_signal_in_the_middle_leaves_days_done_or_untouched(
    client, dataset, compact, number, code
):
    days = [f"2025-{month:02}-{day:02}" for month in (8, 9) for day in range(1, 8)]
    name = make(client, dataset, "bmrs_fuelinst", FUELINST, fuelinst(days), BY_DAY)
    words = ["compact", "bmrs_fuelinst", "--project", PROJECT, "--dataset", dataset]
    process = subprocess.Popen(
        [sys.executable, "-m", "sql", *words, "--execute"],
        stdout=subprocess.PIPE,
        env=dict(os.environ),
        text=True,
    )
    assert process.stdout is not None
    lines = []
    while len(lines) < 4:
        lines.append(process.stdout.readline())
    process.send_signal(number)
    printed = "".join(lines) + process.stdout.read()
    assert process.wait(timeout=60) == code
    found = list(copies_by_day(client, name).values())
    assert 3 <= found.count(1) < len(days)
    assert set(found) == {1, 5}
    if number == signal.SIGINT:
        assert f"{found.count(5)} left: run it again" in printed
    assert compact("bmrs_fuelinst", "--execute") == 0
    assert set(copies_by_day(client, name).values()) == {1}


def test_an_iris_table_is_compacted_by_record_id_up_to_the_day_before_yesterday(
    client, dataset, compact
):
    apply_tables(client, dataset, [FREQ], "EU")
    today = datetime.now(UTC)
    rows = []
    for days_ago in range(5):
        moment = f"{today - timedelta(days=days_ago):%Y-%m-%d}T00:00:00"
        for second in (4, 3, 1, 2):
            rows.append({
                "measurementTime": moment, "frequency": 50.0, "message_id": f"{second}",
                "ingested_utc": f"2026-01-01T00:00:0{second}",
                "record_id": "same" if second < 4 else "other",
            })  # fmt: skip
    # Rows of the time before the column was there: compared by what they say.
    early = {"measurementTime": "2025-11-01T00:00:00", "source": "IRIS"}
    rows += [early | {"frequency": 49.0}] * 3 + [early | {"frequency": 49.1}]
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON
    )
    name = f"{PROJECT}.{dataset}.{FREQ.name}"
    client.load_table_from_json(rows, name, job_config=config).result()
    assert compact(FREQ.name, "--execute") == 0
    kept = data(client, name, "DATE(measurementTime)", "record_id", "message_id")
    for days_ago in range(5):
        day = (today - timedelta(days=days_ago)).date()
        messages = sorted(key[2] for key in kept if key[0] == day)
        assert messages == (["1", "2", "3", "4"] if days_ago < 2 else ["1", "4"])
    assert data(client, name, "frequency")[(49.0,)] == 1
    assert data(client, name, "frequency")[(49.1,)] == 1


def test_the_letters_of_a_record_that_failed_twice_stay(client, dataset, compact):
    """They have one record_id; `iris_held` needs the second to tell the first's end."""
    apply_tables(client, dataset, [DEAD_LETTERS], "EU")
    name = f"{PROJECT}.{dataset}.{DEAD_LETTERS.name}"
    letter = {"dataset": "FREQ", "record_id": "r", "failed_utc": "2025-11-01T10:00:00"}
    letters = [letter | {"dead_letter_id": f"{n}", "attempt": n} for n in (1, 2, 2)]
    client.load_table_from_json(letters, client.get_table(name)).result()
    assert compact(DEAD_LETTERS.name, "--execute") == 0
    assert data(client, name, "dead_letter_id") == Counter([("1",), ("2",)])


def test_several_tables_in_one_run(client, dataset, compact, capsys):
    for table in ("bmrs_fuelinst", "bmrs_fuelhh"):
        make(client, dataset, table, FUELINST, fuelinst(DAYS[:1]))
    assert compact("bmrs_fuelinst", "bmrs_fuelhh", "--execute") == 0
    printed = capsys.readouterr().out
    assert "bmrs_fuelinst: 48 copies removed in 1 day" in printed
    assert "bmrs_fuelhh: 48 copies removed in 1 day" in printed


def test_what_cannot_be_compacted_is_one_line_and_changes_nothing(
    client, dataset, compact, capsys
):
    name = make(client, dataset, "bmrs_fuelinst", FUELINST, fuelinst(DAYS[:1]))
    before = content(client, name)
    client.query(f"CREATE VIEW {dataset}.v AS SELECT 1 AS a").result()
    loaded = f"CREATE TABLE {dataset}.loaded (a DATE) PARTITION BY _PARTITIONDATE"
    client.query(loaded).result()
    for words, text in [
        (["nowhere"], "there is no table"),
        (["v"], "v is a view"),
        (["loaded"], "by the time of loading"),
        (["a;b"], "is not a table name"),
        (["bmrs_fuelinst", "--day-column", "generation"], "generation does not hold"),
        (
            ["bmrs_fuelinst", "--day-column", "_ingested_utc"],
            "_utc does not hold",
        ),
        (["bmrs_fuelinst", "--ignore-column", "nothing"], "no column nothing"),
        (["bmrs_fuelinst", "--from", "2025-02-02", "--to", "2025-02-01"], "is after"),
        (["bmrs_fuelinst", "--max-gb", "0.02"], "above --max-gb 0.02"),
    ]:
        assert exit_code(compact, "bmrs_fuelinst", *words, "--execute") == 2
        error = capsys.readouterr().err
        assert text in error
        assert error.count("\n") == 1
    assert content(client, name) == before


def exit_code(command, *words):
    try:
        return command(*words)
    except SystemExit as ended:
        return ended.code


def test_a_day_in_the_streaming_buffer_is_skipped_and_named(
    client, dataset, compact, monkeypatch, capsys
):
    name = make(client, dataset, "bmrs_fuelinst", FUELINST, fuelinst(DAYS[:3]), BY_DAY)

    def refused_once(client, layout, step):
        # The local BigQuery has no such buffer: this is the answer of the real one.
        if step.day.date == DAYS[1]:
            raise BadRequest(
                f"MERGE statement over table {layout.table} would affect rows in the "
                "streaming buffer, which is not supported"
            )
        return remove_copies(client, layout, step)

    monkeypatch.setattr("sql.compact.command.remove_copies", refused_once)
    assert compact("bmrs_fuelinst", "--execute") == 1
    printed = capsys.readouterr().out
    assert f"{DAYS[1]}: skipped, rows are still in" in printed
    assert f"bmrs_fuelinst: skipped, too fresh: {DAYS[1]}\n" in printed
    assert copies_by_day(client, name) == {DAYS[0]: 1, DAYS[1]: 5, DAYS[2]: 1}


def test_a_statement_that_removes_too_much_stops_the_run(
    client, dataset, compact, monkeypatch, capsys
):
    name = make(client, dataset, "bmrs_fuelinst", FUELINST, fuelinst(DAYS[:3]), BY_DAY)

    def half_hour_and_fuel(layout, date):
        # What once destroyed five of six values.
        right = deduplicate_statement(layout, date)
        return right.replace("      `publishTime`,\n      `startTime`,\n", "").replace(
            ",\n      `generation`\n", "\n"
        )

    monkeypatch.setattr(
        "sql.compact.compaction.deduplicate_statement", half_hour_and_fuel
    )
    assert compact("bmrs_fuelinst", "--execute") == 1
    printed = capsys.readouterr()
    assert (
        "2025-10-21 should hold 12 distinct rows, but has 2 rows, 2 of" in printed.err
    )
    assert "FOR SYSTEM_TIME AS OF TIMESTAMP '" in printed.err
    assert "0 copies removed in 0 days, 3 left" in printed.out
    assert data(client, name, *VALUES).total() == 2 + 60 + 60


def test_a_query_carries_the_limit_of_its_estimate(client):
    job = ask(client, "SELECT 1", 25 * MEBIBYTE + 1)
    assert client.get_job(job.job_id).maximum_bytes_billed == 26 * MEBIBYTE


def test_two_runs_at_once_lose_nothing(client, dataset, compact):
    name = make(client, dataset, "bmrs_fuelinst", FUELINST, fuelinst(DAYS), BY_DAY)
    words = ["compact", "bmrs_fuelinst", "--project", PROJECT, "--dataset", dataset]
    command = [sys.executable, "-m", "sql", *words, "--execute"]
    runs = [subprocess.Popen(command, env=dict(os.environ)) for _ in range(2)]
    for process in runs:
        # One may be refused for the other's change: it says so, and ends.
        assert process.wait(timeout=120) in (0, 1)
    found = copies_by_day(client, name)
    assert sorted(found) == DAYS
    assert set(found.values()) <= {1, 5}
    assert compact("bmrs_fuelinst", "--execute") == 0
    assert set(copies_by_day(client, name).values()) == {1}
