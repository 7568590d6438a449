"""Settings: where values come from, and what is refused in one clear line."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bridge import settings
from command.usage import UsageError

TOPIC = "projects/demo-project/topics/iris-messages"
SIMULATOR = (
    "Endpoint=sb://localhost:5672;SharedAccessKeyName=R;"
    "SharedAccessKey=key-of-the-simulator;UseDevelopmentEmulator=true;"
)
LIVE = {
    "IRIS_CLIENT_ID": "client",
    "IRIS_CLIENT_SECRET": "a-real-secret",
    "IRIS_QUEUE_NAME": "iris.0001",
    "PUBSUB_TOPIC": TOPIC,
}
# As in the README of Elexon's Python client, today and before 2023.
FLAT_FILE = {
    "ClientId": "from-file",
    "QueueName": "iris.file",
    "ServiceBusNamespace": "elexon-insights-iris",
    "Secret": "secret-of-the-file",
    "RelativeFileDownloadDirectory": "./data",
}
NESTED_FILE = {
    "ServiceBusNamespace": "elexon-insights-iris",
    "ServiceBusQueue": "iris.file",
    "RelativeFileDownloadDirectory": "data",
    "AppRegistration": {"ClientId": "from-file", "Secret": "secret-of-the-file"},
}


def test_credentials_are_enough_for_the_live_feed(tmp_path: Path) -> None:
    chosen = settings.load(LIVE, tmp_path)
    assert chosen.namespace == "elexon-insights-iris.servicebus.windows.net"
    assert chosen.tenant_id == "4203b7a0-7773-4de5-b830-8b263a20426e"
    assert chosen.health_port == 8080
    assert chosen.secret_expires is None


def test_a_simulator_needs_only_its_connection_string(tmp_path: Path) -> None:
    values = {"IRIS_CONNECTION_STRING": SIMULATOR, "PUBSUB_TOPIC": TOPIC}
    chosen = settings.load(values, tmp_path)
    assert chosen.queue_name == "iris"
    assert chosen.source == "iris at sb://localhost:5672/"


def test_environment_wins_over_dotenv_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps(FLAT_FILE))
    (tmp_path / ".env").write_text(
        "IRIS_CLIENT_ID=from-dotenv\nIRIS_QUEUE_NAME=iris.dotenv\n"
        f"IRIS_SETTINGS_FILE=settings.json\nPUBSUB_TOPIC={TOPIC}\n"
    )
    chosen = settings.load({"IRIS_CLIENT_ID": "from-environment"}, tmp_path)
    assert chosen.client_id == "from-environment"
    assert chosen.queue_name == "iris.dotenv"
    assert chosen.client_secret == "secret-of-the-file"


@pytest.mark.parametrize("content", [FLAT_FILE, NESTED_FILE])
def test_the_settings_of_elexons_client_are_taken_as_they_are(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(content), encoding="utf-8-sig")
    values = {"IRIS_SETTINGS_FILE": str(path), "PUBSUB_TOPIC": TOPIC}
    chosen = settings.load(values, tmp_path / "elsewhere")
    assert chosen.client_id == "from-file"
    assert chosen.client_secret == "secret-of-the-file"
    assert chosen.queue_name == "iris.file"
    assert chosen.tenant_id == settings.DEFAULT_TENANT_ID


def test_an_empty_value_counts_as_not_set(tmp_path: Path) -> None:
    chosen = settings.load(LIVE | {"IRIS_TENANT_ID": " ", "HEALTH_PORT": ""}, tmp_path)
    assert chosen.tenant_id == settings.DEFAULT_TENANT_ID
    assert chosen.health_port == 8080


def test_a_connection_string_wins_over_credentials(tmp_path: Path) -> None:
    chosen = settings.load(LIVE | {"IRIS_CONNECTION_STRING": SIMULATOR}, tmp_path)
    assert "localhost" in chosen.source


def test_dates_ports_and_hosts_are_read(tmp_path: Path) -> None:
    values = {
        "IRIS_SECRET_EXPIRES": "2027-10-30",
        "HEALTH_PORT": "0",
        "IRIS_NAMESPACE": "other.servicebus.windows.net",
        "PUBSUB_EMULATOR_HOST": "localhost:8085",
    }
    chosen = settings.load(LIVE | values, tmp_path)
    assert chosen.secret_expires == date(2027, 10, 30)
    assert chosen.health_port == 0
    assert chosen.namespace == "other.servicebus.windows.net"
    assert chosen.emulator_host == "localhost:8085"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"IRIS_CLIENT_SECRET": ""}, "IRIS_CLIENT_SECRET"),
        ({"IRIS_CLIENT_ID": ""}, "IRIS_CLIENT_ID"),
        ({"IRIS_QUEUE_NAME": ""}, "IRIS_QUEUE_NAME"),
        ({"PUBSUB_TOPIC": ""}, "PUBSUB_TOPIC"),
        ({"PUBSUB_TOPIC": "iris-messages"}, "PUBSUB_TOPIC"),
        ({"PUBSUB_TOPIC": TOPIC + "/more"}, "PUBSUB_TOPIC"),
        ({"PUBSUB_TOPIC": "projects/p/topics/google"}, "PUBSUB_TOPIC"),
        ({"IRIS_SECRET_EXPIRES": "30/10/2027"}, "IRIS_SECRET_EXPIRES"),
        ({"HEALTH_PORT": "http"}, "HEALTH_PORT"),
        ({"HEALTH_PORT": "70000"}, "HEALTH_PORT"),
        ({"IRIS_NAMESPACE": "sb://x/y"}, "IRIS_NAMESPACE"),
        ({"IRIS_TENANT_ID": "a b"}, "IRIS_TENANT_ID"),
        ({"IRIS_CONNECTION_STRING": "a-real-secret"}, "IRIS_CONNECTION_STRING"),
        ({"IRIS_SETTINGS_FILE": "nowhere.json"}, "IRIS_SETTINGS_FILE"),
        ({"IRIS_SETTINGS_FILE": "."}, "IRIS_SETTINGS_FILE"),
        ({"IRIS_SETTINGS_FILE": "broken.json"}, "IRIS_SETTINGS_FILE"),
        ({"IRIS_SETTINGS_FILE": "list.json"}, "IRIS_SETTINGS_FILE"),
        ({"IRIS_SETTINGS_FILE": "binary.json"}, "IRIS_SETTINGS_FILE"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_setting(
    tmp_path: Path, change: dict[str, str], name: str
) -> None:
    (tmp_path / "broken.json").write_text('{"Secret": "a-real-secret"')
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(UsageError) as caught:
        settings.load(LIVE | change, tmp_path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "a-real-secret" not in str(caught.value)


def test_an_unreadable_dotenv_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"IRIS_CLIENT_ID=\xff\xfe")
    with pytest.raises(UsageError, match=r"\.env is not UTF-8"):
        settings.load(LIVE, tmp_path)


def test_without_any_credentials_the_line_says_where_to_get_them(
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match=r"bmrs\.elexon\.co\.uk/iris"):
        settings.load({"PUBSUB_TOPIC": TOPIC}, tmp_path)


@pytest.mark.parametrize("values", [LIVE, {"IRIS_CONNECTION_STRING": SIMULATOR}])
def test_secrets_are_in_no_repr_and_no_log(
    tmp_path: Path, values: dict[str, str]
) -> None:
    chosen = settings.load(values | {"PUBSUB_TOPIC": TOPIC}, tmp_path)
    assert chosen.secrets
    for secret in chosen.secrets:
        assert secret not in repr(chosen)
        assert secret not in json.dumps(chosen.masked())
