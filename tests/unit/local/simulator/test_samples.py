"""What the simulator sends: files of a folder, or messages made from the registry."""

import json
import os
import random
from datetime import UTC, datetime, timedelta

import pytest

from command.usage import UsageError
from local.simulator.generator import generate_message
from local.simulator.sample_folder import SampleFolder, iris_body
from pipeline.registry import load_registry

NOW = datetime(2026, 11, 23, 19, 42, 17, tzinfo=UTC)
REGISTRY = load_registry()


def write(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'[{{"file": "{path.name}"}}]')


# a folder


def test_every_file_is_read_once_and_unchanged(tmp_path):
    write(tmp_path, "FREQ/a.json", "MID/b.json")
    (tmp_path / "FREQ" / "raw").write_bytes(b"\xff\x00 not json")
    samples = {(s.dataset, s.message_id): s for s in SampleFolder(tmp_path).read()}
    assert set(samples) == {("FREQ", "a.json"), ("FREQ", "raw"), ("MID", "b.json")}
    assert samples["FREQ", "raw"].payload == b"\xff\x00 not json"
    assert samples["MID", "b.json"].payload == b'[{"file": "b.json"}]'


def test_datasets_take_turns(tmp_path):
    write(tmp_path, *(f"MELS/{n}" for n in range(4)), "INDO/0", "MID/0", "MID/1")
    order = [sample.dataset for sample in SampleFolder(tmp_path).read()]
    assert order == ["INDO", "MELS", "MID", "MELS", "MID", "MELS", "MELS"]


def test_readme_hidden_files_and_nested_folders_are_not_messages(tmp_path):
    write(tmp_path, "README.md", ".git/x", "FREQ/.part", "FREQ/a", "FREQ/deeper/b")
    assert [s.message_id for s in SampleFolder(tmp_path).read()] == ["a"]


def test_name_that_is_not_text_is_still_sent(tmp_path):
    folder = tmp_path / "FREQ"
    folder.mkdir()
    (folder / os.fsdecode(b"bad\xff.json")).write_bytes(b"[]")
    assert [s.message_id for s in SampleFolder(tmp_path).read()] == ["bad\ufffd.json"]


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"'.*nowhere' does not exist"):
        SampleFolder(tmp_path / "nowhere")


def test_file_in_place_of_the_folder_is_named(tmp_path):
    write(tmp_path, "FREQ.tar.gz")
    with pytest.raises(UsageError, match=r"FREQ\.tar\.gz' is not a folder"):
        SampleFolder(tmp_path / "FREQ.tar.gz")


def test_folder_without_messages_is_an_error(tmp_path):
    write(tmp_path, "README.md", ".hidden/x")
    (tmp_path / "FREQ").mkdir()
    with pytest.raises(UsageError, match="holds no messages"):
        SampleFolder(tmp_path)


def test_body_is_json_text_inside_a_json_string():
    payload = '[\n {"unit": "T_É-1", "quote": "\\""}\n]'.encode()
    assert json.loads(iris_body(payload)).encode() == payload


def test_bytes_that_are_not_utf8_are_sent_as_they_are():
    assert iris_body(b"\xff\xfe[") == b"\xff\xfe["


# generated messages


@pytest.mark.parametrize("dataset", REGISTRY.values(), ids=lambda dataset: dataset.name)
def test_generated_records_have_the_columns_of_the_registry(dataset):
    message_id, payload = generate_message(dataset, NOW, 123, random.Random(1), 3)
    assert message_id == f"{dataset.name}_202611231942_123.json"
    records = json.loads(payload)
    assert len(records) == 3
    for record in records:
        assert list(record) == [column.name for column in dataset.columns]
        for column in dataset.columns:
            assert_type(column, record[column.name])
    keys = {tuple(str(r[name]) for name in dataset.natural_key) for r in records}
    assert len(keys) == 3


def assert_type(column, value):
    if value is None:
        return
    if column.mode == "REPEATED":
        assert value
        for step in value:
            for inner in column.fields:
                assert_type(inner, step[inner.name])
        return
    if column.type == "RECORD":
        assert {inner.name for inner in column.fields} == set(value)
        return
    kinds = {"STRING": str, "INT64": int, "FLOAT64": (int, float), "BOOL": bool}
    if column.type in kinds:
        assert isinstance(value, kinds[column.type])
        assert column.type == "BOOL" or not isinstance(value, bool)
    else:
        datetime.fromisoformat(value)


def test_same_arguments_give_the_same_message():
    made = [
        generate_message(REGISTRY["REMIT"], NOW, 5, random.Random(3)) for _ in (0, 1)
    ]
    assert made[0] == made[1]


def test_times_and_periods_agree():
    (record,) = json.loads(
        generate_message(REGISTRY["FUELINST"], NOW, 1, random.Random(1))[1]
    )
    assert record["publishTime"] == "2026-11-23T19:42:17Z"
    assert record["startTime"] == "2026-11-23T19:30:00Z"
    assert (record["settlementDate"], record["settlementPeriod"]) == ("2026-11-23", 40)


def test_messages_a_minute_apart_differ():
    made = {
        generate_message(
            REGISTRY["FREQ"], NOW + timedelta(minutes=n), n, random.Random(1)
        )[1]
        for n in range(200)
    }
    assert len(made) == 200


def test_what_may_have_been_meant_as_messages_is_named(tmp_path):
    for name in ("FREQ/a", "FREQ/2026/b", "loose.json", "README.md", ".hidden"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"[]")
    assert SampleFolder(tmp_path).skipped == ["loose.json", "FREQ/2026/"]
