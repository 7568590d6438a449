import pytest

from local.dashboard import bridge_url
from local.data_folder import DataFolder


@pytest.fixture
def data(tmp_path):
    return DataFolder(tmp_path)


def test_the_bridge_of_a_run_is_found(data):
    with data.owned():
        data.write_state("make run-local", {"BRIDGE_URL": "http://127.0.0.1:8080"})
        assert bridge_url(data.state()) == "http://127.0.0.1:8080"


def test_without_a_run_there_is_no_bridge(data):
    with data.owned():
        data.write_state("make up", {})
        assert bridge_url(data.state()) is None
    assert bridge_url(data.state()) is None
