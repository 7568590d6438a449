"""Settings: where the bridge reads from, where it publishes to, and what it checks.

A value comes from the environment, else from `.env` in the working directory, else
from the file named by `IRIS_SETTINGS_FILE` (the settings.json of Elexon's own client).
An empty value counts as not set: compose files pass unset variables on as empty.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from azure.servicebus import parse_connection_string
from dotenv import dotenv_values

from command.usage import UsageError

# IRIS moved to this namespace and tenant with the August 2025 release
# (elexon-data/iris-clients, README).
DEFAULT_NAMESPACE = "elexon-insights-iris"
DEFAULT_TENANT_ID = "4203b7a0-7773-4de5-b830-8b263a20426e"
NAMESPACE_DOMAIN = ".servicebus.windows.net"

SIMULATOR_QUEUE_NAME = "iris"
DEFAULT_HEALTH_PORT = "8080"
DEFAULT_STATE_FILE = Path(".gb-iris/bridge-state.json")
MAX_PORT = 65_535

# The keys of Elexon's settings.json (elexon-data/iris-clients, python/README): flat
# today; before 2023 the queue was `ServiceBusQueue` and the credentials were nested.
SETTINGS_FILE_KEYS = {
    "IRIS_CLIENT_ID": ("ClientId", "AppRegistration.ClientId"),
    "IRIS_CLIENT_SECRET": ("Secret", "AppRegistration.Secret"),
    "IRIS_QUEUE_NAME": ("QueueName", "ServiceBusQueue"),
    "IRIS_NAMESPACE": ("ServiceBusNamespace",),
    "IRIS_TENANT_ID": ("TenantId",),
}

# https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names
TOPIC_PATTERN = re.compile(
    r"projects/[A-Za-z0-9][A-Za-z0-9.:-]*/topics/(?!goog)[A-Za-z][\w.~+%-]{2,254}",
    re.ASCII,
)
HOST_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")


@dataclass(frozen=True)
class Settings:
    """What the user has set; its repr has no secrets.

    Attributes:
        connection_string: Of a simulator, instead of the four values below it.
        namespace: Full host name of the Service Bus namespace.
        secret_expires: Last day on which the client secret works, if known.
        topic: `projects/P/topics/T`.
        health_port: TCP port of /healthz and /metrics; 0 is any free one.
        emulator_host: `host:port` of a local Pub/Sub; None for Google's.
        state_file: Where the bridge notes how far it has read.
    """

    queue_name: str
    topic: str
    connection_string: str | None = field(default=None, repr=False)
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    tenant_id: str = DEFAULT_TENANT_ID
    namespace: str = DEFAULT_NAMESPACE + NAMESPACE_DOMAIN
    secret_expires: date | None = None
    health_port: int = int(DEFAULT_HEALTH_PORT)
    emulator_host: str | None = None
    state_file: Path = DEFAULT_STATE_FILE

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text that must never appear in a log."""
        texts = [self.client_secret, self.connection_string]
        if self.connection_string:
            parsed = parse_connection_string(self.connection_string)
            texts += [parsed.shared_access_key, parsed.shared_access_signature]
        return tuple(text for text in texts if text)

    @property
    def source(self) -> str:
        """The queue in words, without secrets."""
        host = self.namespace
        if self.connection_string:
            host = parse_connection_string(self.connection_string).endpoint
        return f"{self.queue_name} at {host}"

    def masked(self) -> dict[str, str]:
        """The settings for a log line, with every secret as ***."""
        shown = {"queue": self.source, "topic": self.topic}
        if self.connection_string:
            shown["IRIS_CONNECTION_STRING"] = "***"
        else:
            shown["IRIS_CLIENT_ID"] = str(self.client_id)
            shown["IRIS_CLIENT_SECRET"] = "***"  # noqa: S105 - the mask itself
            shown["IRIS_TENANT_ID"] = self.tenant_id
        shown["IRIS_SECRET_EXPIRES"] = str(self.secret_expires or "not set")
        shown["PUBSUB_EMULATOR_HOST"] = self.emulator_host or "not set"
        return shown


@dataclass(frozen=True)
class Destination:
    """Where messages are published, for a command that reads no queue.

    Attributes:
        topic: `projects/P/topics/T`.
        emulator_host: `host:port` of a local Pub/Sub; None for Google's.
    """

    topic: str
    emulator_host: str | None

    @property
    def project(self) -> str:
        """The project that has the topic."""
        return self.topic.split("/")[1]


def load(environment: Mapping[str, str], folder: Path) -> Settings:
    """Reads and checks the settings.

    Args:
        environment: The process environment.
        folder: Where `.env` may be; relative paths start here, too.

    Raises:
        UsageError: A setting is missing or not valid.
    """
    values = _values(environment, folder)
    if path := values.get("IRIS_SETTINGS_FILE"):
        values = _settings_file(folder / Path(path).expanduser()) | values
    return parse(values)


def load_destination(environment: Mapping[str, str], folder: Path) -> Destination:
    """Reads and checks where to publish; the arguments are those of `load`.

    Raises:
        UsageError: The topic is missing or not valid.
    """
    values = _values(environment, folder)
    return Destination(_topic(values), values.get("PUBSUB_EMULATOR_HOST"))


def from_process() -> Settings:
    """The settings of this process: its environment and its working directory."""
    return load(os.environ, Path.cwd())


def destination_from_process() -> Destination:
    """Where this process publishes, by its environment and working directory."""
    return load_destination(os.environ, Path.cwd())


def parse(values: Mapping[str, str]) -> Settings:
    """Checks texts and makes settings of them.

    A connection string wins over credentials, so that a simulator can be tried where
    `.env` has the credentials of the live feed.

    Raises:
        UsageError: A setting is missing or not valid.
    """
    connection_string = values.get("IRIS_CONNECTION_STRING")
    if connection_string:
        _check_connection_string(connection_string)
    else:
        _check_credentials(values)
    return Settings(
        queue_name=values.get("IRIS_QUEUE_NAME", SIMULATOR_QUEUE_NAME),
        topic=_topic(values),
        connection_string=connection_string,
        client_id=values.get("IRIS_CLIENT_ID"),
        client_secret=values.get("IRIS_CLIENT_SECRET"),
        tenant_id=_host(values, "IRIS_TENANT_ID", DEFAULT_TENANT_ID),
        namespace=_namespace(values),
        secret_expires=_date(values, "IRIS_SECRET_EXPIRES"),
        health_port=_port(values, "HEALTH_PORT", DEFAULT_HEALTH_PORT),
        emulator_host=values.get("PUBSUB_EMULATOR_HOST"),
        state_file=Path(values.get("IRIS_STATE_FILE", DEFAULT_STATE_FILE)).expanduser(),
    )


def _values(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    return _dotenv(folder / ".env") | _present(environment)


def _present(values: Mapping[str, str | None]) -> dict[str, str]:
    return {key: text.strip() for key, text in values.items() if text and text.strip()}


def _dotenv(path: Path) -> dict[str, str]:
    try:
        return _present(dotenv_values(path))
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text: correct or remove it") from None


def _settings_file(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(
            f"IRIS_SETTINGS_FILE: cannot read {path} ({error.strerror})"
        ) from None
    except ValueError:  # the text of the error could quote the secret
        raise UsageError(
            f"IRIS_SETTINGS_FILE: {path} is not valid JSON: correct it, or download "
            "it again"
        ) from None
    if not isinstance(content, dict):
        raise UsageError(
            f"IRIS_SETTINGS_FILE: {path} is not a JSON object: name the settings.json "
            "of Elexon's client"
        )
    nested = content.get("AppRegistration")
    if isinstance(nested, dict):
        content |= {f"AppRegistration.{key}": text for key, text in nested.items()}
    return _present(
        {
            name: str(content[key])
            for name, keys in SETTINGS_FILE_KEYS.items()
            for key in reversed(keys)  # the first key wins
            if content.get(key)
        }
    )


def _check_connection_string(text: str) -> None:
    try:
        parse_connection_string(text)
    except ValueError:  # the text of the error could quote the key
        raise UsageError(
            "IRIS_CONNECTION_STRING is not a Service Bus connection string "
            "(Endpoint=sb://...;SharedAccessKeyName=...;SharedAccessKey=...)"
        ) from None


def _check_credentials(values: Mapping[str, str]) -> None:
    names = ("IRIS_CLIENT_ID", "IRIS_CLIENT_SECRET", "IRIS_QUEUE_NAME")
    missing = [name for name in names if name not in values]
    if len(missing) == len(names):
        raise UsageError(
            f"no IRIS credentials: set {', '.join(names)} "
            "(from https://bmrs.elexon.co.uk/iris), or IRIS_CONNECTION_STRING"
        )
    if missing:
        raise UsageError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing: set "
            f"all of {', '.join(names)} (from https://bmrs.elexon.co.uk/iris)"
        )


def _topic(values: Mapping[str, str]) -> str:
    topic = values.get("PUBSUB_TOPIC")
    if not topic:
        raise UsageError(
            "PUBSUB_TOPIC is not set: set it to projects/PROJECT/topics/TOPIC, in the "
            "environment or in .env"
        )
    if not TOPIC_PATTERN.fullmatch(topic):
        raise UsageError(
            f"PUBSUB_TOPIC: {topic!r} is not of the form projects/PROJECT/topics/TOPIC"
        )
    return topic


def _namespace(values: Mapping[str, str]) -> str:
    name = _host(values, "IRIS_NAMESPACE", DEFAULT_NAMESPACE)
    return name if "." in name else name + NAMESPACE_DOMAIN


def _host(values: Mapping[str, str], name: str, default: str) -> str:
    text = values.get(name, default)
    if not HOST_PATTERN.fullmatch(text):
        raise UsageError(
            f"{name}: {text!r} is not a plain name (letters, digits, hyphens, dots)"
        )
    return text


def _date(values: Mapping[str, str], name: str) -> date | None:
    text = values.get(name)
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise UsageError(
            f"{name}: {text!r} is not a date in the form YYYY-MM-DD"
        ) from None


def _port(values: Mapping[str, str], name: str, default: str) -> int:
    text = values.get(name, default)
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_PORT):
        raise UsageError(f"{name}: {text!r} is not a port number from 0 to {MAX_PORT}")
    return int(text)
