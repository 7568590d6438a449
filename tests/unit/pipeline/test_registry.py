"""One contract for every dataset, and what the loader refuses."""

import datetime as dt
import json
import random
import re
from collections import Counter
from zoneinfo import ZoneInfo

import pytest

from local.simulator.generator import generate_message
from pipeline.core.decoding import Message, decode, utc_now
from pipeline.registry import (
    CLUSTERABLE,
    METADATA_COLUMNS,
    Publication,
    RegistryError,
    load_registry,
    parse_dataset,
    read_registry,
)

NOW = dt.datetime(2026, 5, 6, 12, 0, tzinfo=dt.UTC)
DATASETS = list(load_registry().values())

MINIMAL = """
dataset: X
title: A dataset
group: g
event_time: publishTime
natural_key: [publishTime]
latest_key: [publishTime]
columns:
  - {name: publishTime, type: TIMESTAMP}
"""


def test_all_datasets_of_iris_are_there():
    assert len(DATASETS) >= 89  # and those that `sql drift --accept` has added


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda d: d.name)
class TestContract:
    def test_names_make_a_table(self, dataset):
        assert re.fullmatch(r"bmrs_[a-z0-9_]+_iris", dataset.table)

    def test_columns_are_described(self, dataset):
        for column in dataset.columns:
            assert column.description
            assert all(field.description for field in column.fields)

    def test_partition_and_clusters_fit_bigquery(self, dataset):
        assert dataset.column(dataset.partition_column).type in ("DATE", "TIMESTAMP")
        assert len(dataset.cluster_columns) <= 4
        for name in dataset.cluster_columns:
            assert dataset.column(name).type in CLUSTERABLE

    def test_latest_key_is_coarser_than_a_version(self, dataset):
        assert set(dataset.version_order) <= {c.name for c in dataset.columns}

    def test_a_generated_message_becomes_rows_and_nothing_else(self, dataset):
        name, body = generate_message(dataset, NOW, 1, random.Random(7), records=5)
        message = Message(body, {"dataset": dataset.name, "message_id": name})
        decoded = decode(message, utc_now())
        assert decoded.dead_letters == []
        assert len(decoded.records) == decoded.count == len(json.loads(body))
        known = {column.name for column in dataset.columns}
        for typed in decoded.records:
            assert typed.row.keys() <= known

    def test_a_real_message_becomes_rows_of_known_columns(self, dataset, samples):
        """Where there is none, the schema is only as good as its source says."""
        for path in (path for path in samples if path.parent.name == dataset.name):
            message = Message(
                path.read_bytes(), {"dataset": dataset.name, "message_id": path.name}
            )
            decoded = decode(message, utc_now())
            assert decoded.dead_letters == []
            assert decoded.records
            for typed in decoded.records:
                assert typed.row.get("extra") is None, "a field is not in the registry"


def test_the_contract_meets_real_messages(samples):
    assert {path.parent.name for path in samples} <= {d.name for d in DATASETS}
    assert len({path.parent.name for path in samples}) >= 16


def test_tables_are_distinct():
    assert len({dataset.table for dataset in DATASETS}) == len(DATASETS)


def test_an_alias_finds_its_dataset():
    assert load_registry()["SYSWARN"].name == "SYS_WARN"


def test_subjects_are_case_sensitive():
    registry = load_registry()
    assert registry["mibm_mid"].name == "mibm_mid"
    assert "MIBM_MID" not in registry


def test_nested_columns_are_records():
    profile = load_registry()["REMIT"].column("outageProfile")
    assert (profile.type, profile.mode) == ("RECORD", "REPEATED")
    assert [field.name for field in profile.fields] == [
        "startTime",
        "endTime",
        "capacity",
    ]


def test_the_minimal_dataset_loads():
    dataset = parse_dataset("X.yaml", MINIMAL)
    assert dataset.partition_column == "publishTime"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("dataset: X", "dataset: Y"), "describes Y"),
        (("title:", "titel:"), "has unknown keys"),
        (("type: TIMESTAMP", "type: TIME"), "unknown"),
        (("natural_key: [publishTime]", "natural_key: [nothing]"), "nothing"),
        (("natural_key: [publishTime]", "natural_key: []"), "must name"),
        (("name: publishTime", "name: 'publish time'"), "column name"),
        (("columns:", "columns: ["), "X.yaml"),
        (("type: TIMESTAMP}", "type: RECORD}"), "needs fields"),
        (
            (
                "type: TIMESTAMP}",
                "type: TIMESTAMP}\n  - {name: PublishTime, type: DATE}",
            ),
            "two columns are called publishtime",
        ),
        (
            ("type: TIMESTAMP}", "type: TIMESTAMP}\n  - {name: extra, type: STRING}"),
            "metadata",
        ),
        (("dataset: X", "dataset: ../X"), "table name"),
        (("name: publishTime", "name: _PARTITIONTIME"), "column name"),
        (
            ("type: TIMESTAMP", "type: TIMESTAMP, mode: REPEATED"),
            "REPEATED TIMESTAMP",
        ),
        (
            ("type: TIMESTAMP", "type: STRING"),
            "event_time 'publishTime' is of type STRING",
        ),
        (("type: TIMESTAMP", "type: TIMESTAMP, since: soon"), "X.yaml"),
        (("type: TIMESTAMP", "type: TIMESTAMP, since: 2026-13-01"), "X.yaml"),
        (("type: TIMESTAMP", "type: TIMESTAMP, since: 20260506"), "since"),
        (("type: TIMESTAMP", "type: TIMESTAMP, since: 2026-05-06 01:00:00"), "X.yaml"),
        (("type: TIMESTAMP", "type: TIMESTAMP, since: "), "X.yaml"),
        (("group: g", "group: g\nseries: [nothing]"), "nothing"),
        (("group: g", "group: g\npublished: {lag: 1}"), "has unknown keys"),
        (("group: g", "group: g\npublished: {lag_seconds: -1}"), "lag_seconds is -1"),
        (("group: g", "group: g\npublished: {days: some}"), "days is 'some'"),
        (("group: g", "group: g\ninsights_api: [unit]"), "not a mapping"),
        (("group: g", "group: g\ninsights_api: {lacks: [a]}"), "has unknown keys"),
        (("group: g", "group: g\ninsights_api: {}"), "'absent' is missing"),
        (("group: g", "group: g\ninsights_api: {absent: []}"), "absent is empty"),
        (
            ("group: g", "group: g\ninsights_api: {absent: [no]}"),
            "has False, which is not text",
        ),
        (("group: g", "group: g\ninsights_api: {absent: unit}"), "absent is 'unit'"),
        (("group: g", "group: g\ninsights_api: {absent: [nothing]}"), "nothing"),
        (
            ("group: g", "group: g\ninsights_api: {absent: [publishTime]}"),
            "by which the table is partitioned",
        ),
        (("group: g", "group: g\ncompleteness: all"), "completeness is 'all'"),
        (("group: g", "group: g\ncompleteness: around"), "needs settlementDate"),
        (
            ("group: g", "group: g\ncompleteness: around\ncadence_seconds: 1800"),
            "exclude each other",
        ),
        (("title: A dataset\n", ""), "'title' is missing"),
        (
            ("group: g", "group: g\npublished: daily"),
            "published is 'daily', which is not a",
        ),
        (("group: g", "group: g\ncadence_seconds: 1 h"), "cadence_seconds is '1 h'"),
        (("group: g", "group: g\ncadence_seconds: 0"), "cadence_seconds is 0"),
        (
            ("group: g", "group: g\naliases: [[Y]]"),
            "aliases has ['Y'], which is not text",
        ),
        (
            ("group: g", "group: g\nnotes: a note"),
            "notes is 'a note', which is not a list",
        ),
        (
            ("group: g", "group: g\nhistoric: [bmrs_x]"),
            "historic is 'bmrs_x', which is not a",
        ),
        (("natural_key: [publishTime]", "natural_key: publishTime"), "not a list"),
        (("{name: publishTime, type: TIMESTAMP}", "publishTime"), "not a mapping"),
        (
            ("type: TIMESTAMP", "type: TIMESTAMP, unit: 1"),
            "unit is 1, which is not text",
        ),
        (("name: publishTime", "name: no"), "name is False, which is not text"),
        (("group: g", "group: g\ntitle: Another"), "title is given twice"),
        (("type: TIMESTAMP", "type: DATE, type: TIMESTAMP"), "type is given twice"),
    ],
)
def test_a_wrong_file_is_refused_by_name(change, said):
    with pytest.raises(RegistryError, match=re.escape(said)) as caught:
        parse_dataset("X.yaml", MINIMAL.replace(*change))
    assert "X.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_utf8_is_refused_by_name(tmp_path):
    (tmp_path / "X.yaml").write_bytes(MINIMAL.encode() + b"notes: [\xff]\n")
    with pytest.raises(RegistryError, match=r"X\.yaml"):
        read_registry(tmp_path)


def test_two_datasets_have_two_tables(tmp_path):
    (tmp_path / "Xy.yaml").write_text(MINIMAL.replace("dataset: X", "dataset: Xy"))
    (tmp_path / "XY.yaml").write_text(MINIMAL.replace("dataset: X", "dataset: XY"))
    with pytest.raises(RegistryError, match="bmrs_xy_iris"):
        read_registry(tmp_path)


@pytest.mark.parametrize("claimed", ["PN", "OLD"])
def test_a_name_finds_one_dataset(tmp_path, claimed):
    """Else messages of one would become rows of the other."""
    for name, alias in (("PN", "OLD"), ("QPN", claimed)):
        text = MINIMAL.replace("dataset: X", f"dataset: {name}\naliases: [{alias}]")
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(RegistryError, match=f"{claimed} names two datasets"):
        read_registry(tmp_path)


@pytest.mark.parametrize("written", ["2026-05-06", "'2026-05-06'"])
def test_a_column_may_say_since_when_it_is_there(written):
    text = MINIMAL.replace("TIMESTAMP", f"TIMESTAMP, since: {written}")
    (column,) = parse_dataset("X.yaml", text).columns
    assert column.since == dt.date(2026, 5, 6)


def test_what_the_api_lacks_is_named_once_and_is_not_an_array():
    column = "  - {name: unit, type: STRING}\n"
    text = MINIMAL + column + "insights_api: {absent: [unit]}\n"
    assert parse_dataset("X.yaml", text).api_absent == ("unit",)
    with pytest.raises(RegistryError, match="names unit twice"):
        parse_dataset("X.yaml", text.replace("[unit]", "[unit, unit]"))
    with pytest.raises(RegistryError, match="arrays"):
        parse_dataset("X.yaml", text.replace("STRING}", "STRING, mode: REPEATED}"))


def test_an_array_is_not_a_cluster_column():
    text = MINIMAL.replace("latest_key: [", "latest_key: [tags, unit, ")
    text += "  - {name: tags, type: STRING, mode: REPEATED}\n"
    text += "  - {name: unit, type: STRING}\n"
    assert parse_dataset("X.yaml", text).cluster_columns == ("unit",)


def test_a_folder_is_read_as_it_is_now(tmp_path):
    (tmp_path / "X.yaml").write_text(MINIMAL)
    assert list(read_registry(tmp_path)) == ["X"]
    (tmp_path / "Y.yaml").write_text(MINIMAL.replace("dataset: X", "dataset: Y"))
    (tmp_path / "Z.yaml.new").write_text("half a file")
    assert list(read_registry(tmp_path)) == ["X", "Y"]


def test_series_are_the_latest_key_without_its_times_or_what_the_file_says():
    registry = load_registry()
    assert registry["MID"].series == ("dataProvider",)
    assert registry["AGPT"].series == ("businessType", "psrType")
    assert registry["INDO"].series == ()
    assert "id" in registry["DISBSAD"].latest_key
    assert registry["DISBSAD"].series == ()


def test_publication_is_at_once_and_every_day_unless_the_file_says_else():
    registry = load_registry()
    assert registry["FREQ"].published == Publication(0, working_days_only=False)
    assert registry["DISEBSP"].published == Publication(90_000, working_days_only=True)


def test_metadata_columns_are_those_of_the_design():
    assert [(column.name, column.type) for column in METADATA_COLUMNS] == [
        ("ingested_utc", "TIMESTAMP"),
        ("source", "STRING"),
        ("message_id", "STRING"),
        ("enqueued_utc", "TIMESTAMP"),
        ("record_id", "STRING"),
        ("extra", "STRING"),
    ]


DATED = """
dataset: X
title: A dataset.
group: test
event_time: publishTime
natural_key: [publishTime, startTime]
latest_key: [startTime]
day_of: startTime
columns:
  - {name: publishTime, type: TIMESTAMP}
  - {name: startTime, type: TIMESTAMP}
  - {name: settlementDate, type: DATE}
"""


def test_a_day_that_follows_from_the_latest_key_is_in_the_partition():
    dataset = parse_dataset("X.yaml", DATED)
    assert dataset.latest_partition == ("settlementDate", "startTime")
    untold = parse_dataset("X.yaml", DATED.replace("day_of: startTime\n", ""))
    assert untold.latest_partition == untold.latest_key


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("day_of: startTime", "day_of: publishTime"),
        ("latest_key: [startTime]", "latest_key: [startTime, settlementDate]"),
        ("{name: startTime, type: TIMESTAMP}", "{name: startTime, type: STRING}"),
        ("{name: settlementDate,", "{name: other,"),
    ],
)
def test_a_day_that_does_not_follow_is_refused(written, instead):
    with pytest.raises(RegistryError, match="day_of"):
        parse_dataset("X.yaml", DATED.replace(written, instead))


POINTS = (
    DATED.replace("day_of", "version_order: [publishTime]\nday_of")
    + """
latest_set: [settlementDate]
horizon: [startTime]
"""
)


def test_a_set_may_have_the_day_that_follows_from_its_things():
    dataset = parse_dataset("X.yaml", POINTS)
    assert dataset.latest_set == ("settlementDate",)
    assert dataset.horizon == ("startTime",)
    assert not dataset.is_set_of_message
    without = parse_dataset("X.yaml", DATED + "latest_set: [settlementDate]\n")
    assert without.is_set_of_message
    assert not parse_dataset("X.yaml", DATED).is_set_of_message


def test_a_horizon_may_be_all_that_names_a_set():
    text = POINTS.replace("latest_set: [settlementDate]", "latest_set: []")
    assert parse_dataset("X.yaml", text).latest_set == ()


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("latest_set: [settlementDate]", "latest_set: [nothing]", "do not exist"),
        ("latest_set: [settlementDate]", "latest_set: [publishTime]", "do not follow"),
        ("latest_set: [settlementDate]", "latest_set: [startTime]", "twice"),
        ("latest_set: [settlementDate]", "", "horizon needs latest_set"),
        ("latest_set: [settlementDate]", "latest_set: settlementDate", "not a list"),
        ("horizon: [startTime]", "horizon: [publishTime]", "do not follow"),
        ("version_order: [publishTime]", "", "orders publications"),
        (
            "latest_set: [settlementDate]\nhorizon: [startTime]",
            "latest_set: []",
            "latest_set is empty",
        ),
        (
            "{name: startTime, type: TIMESTAMP}",
            "{name: startTime, type: STRING}",
            "day_of",
        ),
    ],
)
def test_a_set_that_names_none_is_refused(written, instead, said):
    assert written in POINTS
    with pytest.raises(RegistryError, match=said):
        parse_dataset("X.yaml", POINTS.replace(written, instead))


STAGED = (
    DATED
    + """  - {name: flag, type: STRING}
latest_set: [settlementDate]
stages: {flag: [ORI, DEL]}
"""
)


def test_a_set_may_have_stages():
    assert parse_dataset("X.yaml", STAGED).stages == {"flag": ("ORI", "DEL")}
    assert load_registry()["BOALF"].stages == {"amendmentFlag": ("ORI", "UPD", "DEL")}


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("stages: {flag:", "stages: {other:", "not a column of type STRING"),
        ("stages: {flag:", "stages: {startTime:", "not a column of type STRING"),
        ("[ORI, DEL]", "[ORI]", "two or more different values"),
        ("[ORI, DEL]", "[ORI, ori]", "two or more different values"),
        ("[ORI, DEL]", "ORI", "not a list"),
        ("{flag: [ORI, DEL]}", "[ORI, DEL]", "not one column"),
        ("latest_set: [settlementDate]", "", "needs latest_set"),
        ("latest_set:", "version_order: [startTime]\nlatest_set:", "no version_order"),
    ],
)
def test_stages_that_order_nothing_are_refused(written, instead, said):
    assert written in STAGED
    with pytest.raises(RegistryError, match=said):
        parse_dataset("X.yaml", STAGED.replace(written, instead))


def test_every_dataset_says_what_a_publication_replaces():
    """Its set, or why it has none, is in its notes."""
    for name, dataset in load_registry().items():
        if dataset.group == "unknown":  # `sql drift --accept` has added it
            continue
        reasons = [note for note in dataset.notes if note.startswith("Not a set: ")]
        assert len(reasons) == (dataset.latest_set is None), name
        if dataset.latest_set is not None:
            words = ("A set is ", "A publication has ")
            assert [note for note in dataset.notes if note.startswith(words)], name


def test_the_sets_that_a_message_publishes():
    registry = load_registry()
    of_messages = {name for name in registry if registry[name].is_set_of_message}
    assert of_messages == {"BOALF", "BOD", "DISBSAD", "NETBSAD", "PN", "QPN"}
    # A point that is not published is not withdrawn (12, 8, 4, 2 and 1 hours ahead).
    assert registry["LOLPDM"].latest_set is None


def test_real_records_have_the_day_that_follows_from_their_key(samples):
    london, seen = ZoneInfo("Europe/London"), Counter()
    for path in samples:
        dataset = load_registry()[path.parent.name]
        if dataset.day_of is None:
            continue
        message = Message(path.read_bytes(), {"dataset": dataset.name})
        for record in decode(message, utc_now()).records:
            moment = dt.datetime.fromisoformat(record.row[dataset.day_of])
            day = moment.astimezone(london).date().isoformat()
            assert record.row["settlementDate"] == day
            seen[dataset.name] += 1
    assert {"BOALF", "FUELINST"} <= seen.keys()


TIMED = DATED.replace("title:", "period_times: {startTime: settlementPeriod}\ntitle:")
TIMED += "  - {name: settlementPeriod, type: INT64}\n"


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("{startTime: settlementPeriod}", "[startTime]"),
        ("{startTime: settlementPeriod}", "{startTime: other}"),
        ("{startTime: settlementPeriod}", "{settlementDate: settlementPeriod}"),
        ("settlementPeriod, type: INT64", "settlementPeriod, type: BOOL"),
    ],
)
def test_a_time_of_a_period_that_is_not_there_is_refused(written, instead):
    assert parse_dataset("X.yaml", TIMED).period_times
    with pytest.raises(RegistryError, match="period_times"):
        parse_dataset("X.yaml", TIMED.replace(written, instead))


def test_times_of_real_records_lie_in_their_settlement_period(samples):
    london, seen = ZoneInfo("Europe/London"), Counter()
    for path in samples:
        dataset = load_registry()[path.parent.name]
        message = Message(path.read_bytes(), {"dataset": dataset.name})
        for record in decode(message, utc_now()).records:
            for time, period in dataset.period_times.items():
                day = dt.date.fromisoformat(record.row["settlementDate"])
                midnight = dt.datetime(day.year, day.month, day.day, tzinfo=london)
                start = midnight.astimezone(dt.UTC)
                start += (record.row[period] - 1) * dt.timedelta(minutes=30)
                moment = dt.datetime.fromisoformat(record.row[time])
                assert start <= moment <= start + dt.timedelta(minutes=30)
                seen[dataset.name] += 1
    assert {"ATL", "BOALF", "FUELINST", "MID", "PN"} <= seen.keys()


SIDED = """
dataset: X
title: A dataset.
group: test
event_time: publishTime
natural_key: [publishTime, unit]
latest_key: [unit]
version_order: [publishTime]
bid_offer: pairs
columns:
  - {name: publishTime, type: TIMESTAMP}
  - {name: unit, type: STRING}
  - {name: volume, type: FLOAT64, unit: MWh}
  - name: pairs
    type: RECORD
    fields: [{name: negative1, type: FLOAT64}, {name: positive1, type: FLOAT64}]
"""


@pytest.mark.parametrize("column", ["pairs", "volume"])
def test_pairs_or_a_number_tell_bids_from_offers(column):
    text = SIDED.replace("bid_offer: pairs", f"bid_offer: {column}")
    assert parse_dataset("X.yaml", text).bid_offer == column


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("bid_offer: pairs", "bid_offer: unit", "must be a number, or a RECORD"),
        ("bid_offer: pairs", "bid_offer: none", "not a column"),
        ("name: positive1", "name: other", "must be a number, or a RECORD"),
        ("version_order: [publishTime]", "latest_set: [unit]", "needs version_order"),
    ],
)
def test_what_cannot_tell_bids_from_offers_is_refused(written, instead, said):
    with pytest.raises(RegistryError, match=said):
        parse_dataset("X.yaml", SIDED.replace(written, instead))
