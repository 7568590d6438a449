"""Settings: where the bridge reads from, where it publishes to, and what it checks.

A value comes from the environment, else from `.env` in the working directory, else
from the file named by `IRIS_SETTINGS_FILE` (the settings.json of Elexon's own client).
An empty value counts as not set: compose files pass unset variables on as empty.
"""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dotenv import dotenv_values

from command.usage import UsageError

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusConnectionStringProperties

# IRIS moved to this namespace and tenant with the August 2025 release
# (elexon-data/iris-clients, README).
DEFAULT_NAMESPACE = "elexon-insights-iris"
DEFAULT_TENANT_ID = "4203b7a0-7773-4de5-b830-8b263a20426e"
NAMESPACE_DOMAIN = ".servicebus.windows.net"
ELEXONS_NAMESPACE = DEFAULT_NAMESPACE + NAMESPACE_DOMAIN

SIMULATOR_QUEUE_NAME = "iris"
# Other machines are to be let in, not kept out.
DEFAULT_HEALTH_HOST = "127.0.0.1"
DEFAULT_HEALTH_PORT = 8080
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

CREDENTIALS = ("IRIS_CLIENT_ID", "IRIS_CLIENT_SECRET", "IRIS_QUEUE_NAME")
PORTAL = "https://bmrs.elexon.co.uk/iris"
# What stands in examples, ours (`IRIS_CLIENT_ID=...`) and usual ones, where a value
# belongs.
PLACEHOLDER_PATTERN = re.compile(
    r"\.{2,}|\u2026|<.*>|[xX]{3,}|\*{3,}|(?i:change-?me|your[-_ ].*)"
    r"|IRIS_[A-Z_]+|projects/PROJECT/topics/TOPIC"
)

# https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names
TOPIC_PATTERN = re.compile(
    r"projects/[A-Za-z0-9][A-Za-z0-9.:-]*/topics/(?!goog)[A-Za-z][\w.~+%-]{2,254}",
    re.ASCII,
)
HOST_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")

Value = TypeVar("Value")


@dataclass(frozen=True)
class Settings:
    """What the user has set; its repr has no secrets.

    Attributes:
        queue_name: Empty if it is not set; several are separated by commas.
        topic: `projects/P/topics/T`; empty if it is not set.
        connection_string: Of a simulator, instead of the four values below it.
        namespace: Full host name of the Service Bus namespace.
        secret_expires: Last day on which the client secret works, if known.
        health_host: The address of /healthz and /metrics.
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
    namespace: str = ELEXONS_NAMESPACE
    secret_expires: date | None = None
    health_host: str = DEFAULT_HEALTH_HOST
    health_port: int = DEFAULT_HEALTH_PORT
    emulator_host: str | None = None
    state_file: Path = DEFAULT_STATE_FILE

    @property
    def queues(self) -> list["Settings"]:
        """The settings of each queue: of one queue these, of several one each."""
        names = queue_names(self.queue_name)
        if len(names) < 2:
            return [self]
        return [
            replace(self, queue_name=name, state_file=_own_file(self.state_file, name))
            for name in names
        ]

    @property
    def has_credentials(self) -> bool:
        """Whether a token for the live feed can be requested."""
        return bool(self.client_id and self.client_secret)

    @property
    def has_queue(self) -> bool:
        """Whether there is all that it takes to read a queue."""
        is_open = self.connection_string is not None or self.has_credentials
        return bool(is_open and self.queue_name)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text that must never appear in a log."""
        texts = [self.client_secret, self.connection_string]
        if self.connection_string:
            parsed = _parsed(self.connection_string)
            texts += [parsed.shared_access_key, parsed.shared_access_signature]
        return tuple(text for text in texts if text)

    @property
    def source(self) -> str:
        """The queue in words, without secrets."""
        host = self.namespace
        if self.connection_string:
            host = _parsed(self.connection_string).endpoint
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


@dataclass(frozen=True)
class Survey:
    """What is set, complete or not.

    Attributes:
        settings: What is missing or not valid has its default.
        missing: The names of what a bridge needs, and is not set.
        problems: What the user must correct otherwise, a line each.
        dotenv: Where `.env` is, or may be.
    """

    settings: Settings
    missing: list[str]
    problems: list[str]
    dotenv: Path

    def complete(self) -> Settings:
        """The settings, with which a bridge can run.

        Raises:
            UsageError: Something must be corrected.
        """
        missing = [missing_line(self.missing, self.dotenv)] if self.missing else []
        if missing or self.problems:
            raise UsageError("; ".join(missing + self.problems))
        return self.settings


def queue_names(text: str) -> list[str]:
    """The names in IRIS_QUEUE_NAME."""
    return [name.strip() for name in text.split(",")]


def _own_file(path: Path, queue: str) -> Path:
    """The state file of one queue of several."""
    name = re.sub(r"[^\w.-]", "_", queue)
    return path.with_name(f"{path.stem}-{name}{path.suffix}")


def load(environment: Mapping[str, str], folder: Path) -> Settings:
    """Reads and checks the settings; the arguments are those of `survey`.

    Raises:
        UsageError: A setting is missing or not valid.
    """
    return survey(environment, folder).complete()


def survey(environment: Mapping[str, str], folder: Path) -> Survey:
    """Reads the settings, and finds everything that is wrong with them.

    Args:
        environment: The process environment.
        folder: Where `.env` may be; relative paths start here, too.

    Raises:
        UsageError: A file cannot be read.
    """
    values = _values(environment, folder)
    if path := values.get("IRIS_SETTINGS_FILE"):
        values = _settings_file(folder / Path(path).expanduser()) | values
    return _checked(values, folder / ".env")


def load_destination(environment: Mapping[str, str], folder: Path) -> Destination:
    """Reads and checks where to publish; the arguments are those of `survey`.

    Raises:
        UsageError: The topic is missing or not valid.
    """
    values = _values(environment, folder)
    topic = _topic(values)
    if not topic:
        raise UsageError(missing_line(["PUBSUB_TOPIC"], folder / ".env"))
    return Destination(topic, values.get("PUBSUB_EMULATOR_HOST"))


def from_process() -> Survey:
    """The settings of this process: its environment and its working directory."""
    return survey(os.environ, Path.cwd())


def destination_from_process() -> Destination:
    """Where this process publishes, by its environment and working directory."""
    return load_destination(os.environ, Path.cwd())


def _checked(values: Mapping[str, str], dotenv: Path) -> Survey:
    """Makes settings of texts.

    A connection string wins over credentials, so that a simulator can be tried where
    `.env` has the credentials of the live feed.
    """
    is_simulator = "IRIS_CONNECTION_STRING" in values
    needed = [*(() if is_simulator else CREDENTIALS), "PUBSUB_TOPIC"]
    vague = [name for name in needed if _is_placeholder(values.get(name, ""))]
    missing = [name for name in needed if name not in values]
    problems = [_placeholder(vague)] if vague else []
    values = {name: text for name, text in values.items() if name not in vague}

    def valid(read: Callable[[], Value], default: Value) -> Value:
        try:
            return read()
        except UsageError as error:
            problems.append(str(error))
            return default

    usual = Settings("", "")
    queue_name = SIMULATOR_QUEUE_NAME if is_simulator else ""
    settings = Settings(
        queue_name=valid(lambda: _queue(values, queue_name), queue_name),
        topic=valid(lambda: _topic(values), ""),
        connection_string=valid(lambda: _connection_string(values), None),
        client_id=values.get("IRIS_CLIENT_ID"),
        client_secret=values.get("IRIS_CLIENT_SECRET"),
        tenant_id=valid(
            lambda: _host(values, "IRIS_TENANT_ID", usual.tenant_id), usual.tenant_id
        ),
        namespace=valid(lambda: _namespace(values), usual.namespace),
        secret_expires=valid(lambda: _date(values, "IRIS_SECRET_EXPIRES"), None),
        health_host=valid(
            lambda: _address(values, "HEALTH_HOST", usual.health_host),
            usual.health_host,
        ),
        health_port=valid(
            lambda: _port(values, "HEALTH_PORT", usual.health_port), usual.health_port
        ),
        emulator_host=values.get("PUBSUB_EMULATOR_HOST"),
        state_file=Path(values.get("IRIS_STATE_FILE", usual.state_file)).expanduser(),
    )
    return Survey(settings, missing, problems, dotenv)


def _is_placeholder(text: str) -> bool:
    return bool(PLACEHOLDER_PATTERN.fullmatch(text))


def missing_line(names: Sequence[str], dotenv: Path) -> str:
    """The line about settings that are not there, all in one."""
    where = []
    if any(name in CREDENTIALS for name in names):
        where.append(f"IRIS_* are at {PORTAL}")
    if "PUBSUB_TOPIC" in names:
        where.append("PUBSUB_TOPIC is projects/PROJECT/topics/TOPIC")
    are, them = ("is", "it") if len(names) == 1 else ("are", "them")
    return (
        f"{', '.join(names)} {are} missing: set {them} in {dotenv} or in the "
        f"environment ({'; '.join(where)})"
    )


def _placeholder(names: Sequence[str]) -> str:
    is_one = len(names) == 1
    are = "is still a placeholder" if is_one else "are still placeholders"
    return (
        f"{', '.join(names)} {are}: put the real value{'' if is_one else 's'} there"
        + (f", from {PORTAL}" if any(name in CREDENTIALS for name in names) else "")
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


def _parsed(connection_string: str) -> "ServiceBusConnectionStringProperties":
    """The parts of a connection string.

    Raises:
        ValueError: It is none; the text could quote the key.
    """
    # A process that only asks for settings does not need the SDK: 10 MB of memory.
    from azure.servicebus import parse_connection_string

    return parse_connection_string(connection_string)


def _connection_string(values: Mapping[str, str]) -> str | None:
    text = values.get("IRIS_CONNECTION_STRING")
    try:
        if text:
            _parsed(text)
    except ValueError:
        raise UsageError(
            "IRIS_CONNECTION_STRING is not a Service Bus connection string "
            "(Endpoint=sb://...;SharedAccessKeyName=...;SharedAccessKey=...)"
        ) from None
    return text


def _topic(values: Mapping[str, str]) -> str:
    """The topic; empty if it is not set."""
    topic = values.get("PUBSUB_TOPIC", "")
    if topic and not TOPIC_PATTERN.fullmatch(topic):
        raise UsageError(
            f"PUBSUB_TOPIC: {topic!r} is not of the form projects/PROJECT/topics/TOPIC"
        )
    return topic


def _namespace(values: Mapping[str, str]) -> str:
    name = _host(values, "IRIS_NAMESPACE", DEFAULT_NAMESPACE)
    return name if "." in name else name + NAMESPACE_DOMAIN


def _address(values: Mapping[str, str], name: str, default: str) -> str:
    text = values.get(name, default)
    try:
        return str(ip_address(text))
    except ValueError:
        raise UsageError(
            f"{name}: {text!r} is not an address, such as 127.0.0.1, or 0.0.0.0 for "
            "other machines"
        ) from None


def _host(values: Mapping[str, str], name: str, default: str) -> str:
    text = values.get(name, default)
    if not HOST_PATTERN.fullmatch(text):
        raise UsageError(
            f"{name}: {text!r} is not a plain name (letters, digits, hyphens, dots)"
        )
    return text


def _queue(values: Mapping[str, str], default: str) -> str:
    text = values.get("IRIS_QUEUE_NAME", default)
    names = queue_names(text)
    if len(names) > 1 and ("" in names or len({x.lower() for x in names}) < len(names)):
        raise UsageError(
            f"IRIS_QUEUE_NAME: {text!r} needs different names with a comma between "
            "them: name-1,name-2"
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


def _port(values: Mapping[str, str], name: str, default: int) -> int:
    text = values.get(name, str(default))
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_PORT):
        raise UsageError(f"{name}: {text!r} is not a port number from 0 to {MAX_PORT}")
    return int(text)
