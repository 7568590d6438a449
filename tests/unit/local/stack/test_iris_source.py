"""Live feed or simulator: what the user's settings say."""

import json
import subprocess
import sys

import pytest

from command.usage import UsageError
from local.stack.iris_source import IrisSource, read_source

CREDENTIALS = {
    "IRIS_CLIENT_ID": "id",
    "IRIS_CLIENT_SECRET": "hush",
    "IRIS_QUEUE_NAME": "queue",
}


def test_without_credentials_it_is_the_simulator(tmp_path):
    assert read_source({"IRIS_CLIENT_ID": ""}, tmp_path) == IrisSource(False, None)


def test_credentials_in_the_environment_mean_the_live_feed(tmp_path):
    environment = {**CREDENTIALS, "HEALTH_PORT": "8123"}
    assert read_source(environment, tmp_path) == IrisSource(True, 8123)


def test_credentials_in_the_env_file_mean_the_live_feed(tmp_path):
    lines = [f"{name}={value}" for name, value in CREDENTIALS.items()]
    (tmp_path / ".env").write_text("\n".join(lines))
    assert read_source({}, tmp_path).live


def test_elexons_own_settings_file_means_the_live_feed(tmp_path):
    content = {"ClientId": "id", "Secret": "hush", "QueueName": "queue"}
    (tmp_path / "settings.json").write_text(json.dumps(content))
    assert read_source({"IRIS_SETTINGS_FILE": "settings.json"}, tmp_path).live


def test_addresses_of_a_simulator_are_no_credentials(tmp_path):
    environment = {"IRIS_QUEUE_NAME": "iris", "IRIS_CONNECTION_STRING": "Endpoint=x"}
    assert not read_source(environment, tmp_path).live


def test_a_queue_of_a_simulator_is_not_that_of_the_live_feed(tmp_path):
    environment = {"IRIS_QUEUE_NAME": "iris", "IRIS_CONNECTION_STRING": "Endpoint=x"}
    credentials = {**CREDENTIALS, **environment}
    with pytest.raises(UsageError, match="IRIS_QUEUE_NAME is missing"):
        read_source(credentials, tmp_path)
    (tmp_path / ".env").write_text("IRIS_QUEUE_NAME=iris.0001")
    assert read_source(credentials, tmp_path).live


@pytest.mark.parametrize("secret", ["hush", "...", ""])
def test_samples_are_replayed_whatever_credentials_there_are(tmp_path, secret):
    environment = {**CREDENTIALS, "IRIS_CLIENT_SECRET": secret}
    assert not read_source(environment, tmp_path, has_samples=True).live


@pytest.mark.parametrize("missing", CREDENTIALS)
def test_half_set_credentials_are_refused_by_name(tmp_path, missing):
    half = {name: text for name, text in CREDENTIALS.items() if name != missing}
    with pytest.raises(UsageError, match=missing) as caught:
        read_source(half, tmp_path)
    assert "hush" not in str(caught.value)


def test_a_bad_health_port_is_refused(tmp_path):
    with pytest.raises(UsageError, match="HEALTH_PORT"):
        read_source({"HEALTH_PORT": "http"}, tmp_path)


def test_a_demo_does_not_load_the_sdk(tmp_path):
    program = (
        "import os, sys; from pathlib import Path\n"
        "from local.stack.iris_source import read_source\n"
        "assert not read_source({}, Path(sys.argv[1])).live\n"
        "assert 'azure.servicebus' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
