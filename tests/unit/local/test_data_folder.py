"""A DATA folder has one user at a time, and says which."""

import json
import socket

import pytest

from command.usage import UsageError
from local import data_folder
from local.data_folder import DataFolder, write_json
from local.ports import private_port


def test_the_state_is_there_while_the_owner_is(tmp_path):
    data = DataFolder(tmp_path)
    with data.owned():
        data.write_state("make up", {"A": "b"})
        assert DataFolder(tmp_path).state()["addresses"] == {"A": "b"}
    assert data.state() is None


def test_a_second_owner_is_refused_with_the_name_of_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(data_folder, "GLANCE_SECONDS", 0.0)
    data = DataFolder(tmp_path)
    with data.owned():
        data.write_state("make up", {})
        with (
            pytest.raises(UsageError, match=r"`make up`.*make down"),
            DataFolder(tmp_path).owned(),
        ):
            pass


def test_the_state_of_an_owner_that_was_killed_does_not_count(tmp_path):
    (tmp_path / "stack.json").write_text(json.dumps({"owner": "make up", "pid": 1}))
    data = DataFolder(tmp_path)
    assert data.state() is None
    with data.owned():
        assert data.state() is None


def test_a_missing_folder_is_created_only_for_its_owner(tmp_path):
    data = DataFolder(tmp_path / "new")
    assert data.state() is None
    assert not data.path.exists()
    with data.owned():
        assert data.path.is_dir()


def test_a_file_in_place_of_the_folder_is_a_users_mistake(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot use DATA"):
        DataFolder(tmp_path / "file")


def test_a_json_file_is_replaced_whole(tmp_path):
    path = tmp_path / "summary.json"
    write_json(path, {"a": 1})
    write_json(path, {"b": 2})
    assert json.loads(path.read_text()) == {"b": 2}
    assert [file.name for file in tmp_path.iterdir()] == ["summary.json"]


def test_a_folder_that_cannot_be_written_to_is_a_users_mistake(tmp_path):
    (tmp_path / "stack.lock").mkdir()  # as good as read-only, for root too
    data = DataFolder(tmp_path)
    with pytest.raises(UsageError, match="cannot use DATA"):
        data.state()
    with pytest.raises(UsageError, match="cannot use DATA"), data.owned():
        pass


def test_a_part_gets_the_port_that_it_had_last(tmp_path):
    usual, first = private_port(), DataFolder(tmp_path).port("BigQuery")
    assert DataFolder(tmp_path).port("BigQuery", usual=usual) == first
    assert DataFolder(tmp_path).port("Pub/Sub", usual=usual) == usual


def test_a_part_whose_last_port_is_taken_gets_another_and_keeps_that(tmp_path):
    data = DataFolder(tmp_path)
    with socket.create_server(("127.0.0.1", data.port("BigQuery"))):
        other = data.port("BigQuery")
    assert data.port("BigQuery") == other


def test_a_port_that_the_user_gives_is_used_and_kept(tmp_path):
    data, given = DataFolder(tmp_path), private_port()
    assert data.port("BigQuery", given) == given
    assert data.port("BigQuery") == given
