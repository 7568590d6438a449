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
    assert chosen.health_host == "127.0.0.1"
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
        "HEALTH_HOST": "0.0.0.0",
        "IRIS_NAMESPACE": "other.servicebus.windows.net",
        "PUBSUB_EMULATOR_HOST": "localhost:8085",
    }
    chosen = settings.load(LIVE | values, tmp_path)
    assert chosen.secret_expires == date(2027, 10, 30)
    assert chosen.health_port == 0
    assert chosen.health_host == "0.0.0.0"
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
        ({"HEALTH_HOST": "everywhere"}, "HEALTH_HOST"),
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


def problem(values: dict[str, str], folder: Path) -> str:
    with pytest.raises(UsageError) as caught:
        settings.load(values, folder)
    return str(caught.value)


def test_all_that_is_missing_is_in_one_line_with_the_place_to_put_it(
    tmp_path: Path,
) -> None:
    assert problem({"IRIS_CLIENT_ID": "client"}, tmp_path) == (
        "IRIS_CLIENT_SECRET, IRIS_QUEUE_NAME, PUBSUB_TOPIC are missing: set them in "
        f"{tmp_path}/.env or in the environment (IRIS_* are at "
        "https://bmrs.elexon.co.uk/iris; PUBSUB_TOPIC is "
        "projects/PROJECT/topics/TOPIC)"
    )


def test_all_that_is_wrong_is_in_one_line(tmp_path: Path) -> None:
    mistakes = {"IRIS_CLIENT_SECRET": "", "HEALTH_PORT": "http", "PUBSUB_TOPIC": "t"}
    text = problem(LIVE | mistakes, tmp_path)
    assert "\n" not in text
    for name in mistakes:
        assert name in text


@pytest.mark.parametrize(
    "text",
    ["...", "\u2026", "<client secret>", "xxxx", "***", "your-secret", "changeme"],
)
def test_a_placeholder_of_an_example_is_not_a_value(tmp_path: Path, text: str) -> None:
    assert problem(LIVE | {"IRIS_CLIENT_SECRET": text}, tmp_path) == (
        "IRIS_CLIENT_SECRET is still a placeholder: put the real value there, from "
        "https://bmrs.elexon.co.uk/iris"
    )


def test_the_example_of_the_readme_is_refused_as_it_stands(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    lines = [line for line in readme.splitlines() if line.startswith("IRIS_")]
    (tmp_path / ".env").write_text("\n".join(lines))
    assert problem({"PUBSUB_TOPIC": TOPIC}, tmp_path).startswith(
        "IRIS_CLIENT_ID, IRIS_CLIENT_SECRET, IRIS_QUEUE_NAME are still placeholders: "
    )


@pytest.mark.parametrize(
    "secret", ["Qx8~.xxxxxx", "your", "a...b", "fFy8Q~wv.IRIS_CLIENT_SECRET"]
)
def test_a_secret_that_looks_odd_is_no_placeholder(tmp_path: Path, secret: str) -> None:
    chosen = settings.load(LIVE | {"IRIS_CLIENT_SECRET": secret}, tmp_path)
    assert chosen.client_secret == secret


def test_a_survey_has_what_is_set_beside_what_is_wrong(tmp_path: Path) -> None:
    half = {name: text for name, text in LIVE.items() if name.startswith("IRIS_CLIENT")}
    found = settings.survey(half, tmp_path)
    assert found.missing == ["IRIS_QUEUE_NAME", "PUBSUB_TOPIC"]
    assert found.settings.has_credentials
    assert not found.settings.has_queue
    assert found.settings.topic == ""


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


def test_several_queues_are_separated_by_commas(tmp_path: Path) -> None:
    values = LIVE | {"IRIS_QUEUE_NAME": "one, two", "IRIS_STATE_FILE": "a/state.json"}
    queues = settings.load(values, tmp_path).queues
    assert [one.queue_name for one in queues] == ["one", "two"]
    assert [one.source.split(" at ")[0] for one in queues] == ["one", "two"]
    files = [str(one.state_file) for one in queues]
    assert files == ["a/state-one.json", "a/state-two.json"]


def test_one_queue_keeps_its_state_file(tmp_path: Path) -> None:
    chosen = settings.load(LIVE | {"IRIS_STATE_FILE": "a/state.json"}, tmp_path)
    assert chosen.queues == [chosen]


@pytest.mark.parametrize("name", ["one,", "one,,two", "one,ONE"])
def test_queues_without_a_name_or_twice_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"IRIS_QUEUE_NAME: .* needs different names"):
        settings.load(LIVE | {"IRIS_QUEUE_NAME": name}, tmp_path)
