"""A stand-in for the google provider: enough of Terraform's plugin protocol to apply.

It knows the arguments of tests/fixtures/terraform/provider_schema.yaml, checks nothing
of their values, and makes nothing: what only Google knows is `known-` and its name.
Terraform attaches to it by TF_REATTACH_PROVIDERS
(https://developer.hashicorp.com/terraform/plugin/debugging) and so evaluates every
expression for real.

The messages are those of tfplugin5.proto, written and read by hand: no more than texts
and messages in numbered fields.
"""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import yaml

ROOT = Path(__file__).parents[3]
SCHEMA = yaml.safe_load(
    (ROOT / "tests/fixtures/terraform/provider_schema.yaml").read_text()
)
NAME = "registry.terraform.io/hashicorp/google"
DATA_SOURCES = ("google_project",)
PROJECT_NUMBER = "123456789012"
NIL = b"\xc0"
UNKNOWN = b"\xd4\x00\x00"  # Terraform's extension of MessagePack

# The types of the provider's schema; all else is a text.
NUMBERS = {
    "ack_deadline_seconds",
    "age",
    "failure_threshold",
    "initial_delay_seconds",
    "manual_instance_count",
    "max_delivery_attempts",
    "max_retries",
    "parallelism",
    "period_seconds",
    "port",
    "retention_duration_seconds",
    "retry_count",
    "size",
    "task_count",
    "threshold_value",
    "timeout_seconds",
}
BOOLS = {
    "allow_stopping_for_update",
    "auto_delete",
    "delete_contents_on_destroy",
    "deletion_protection",
    "disable_on_destroy",
    "enable_exactly_once_delivery",
    "enable_integrity_monitoring",
    "enable_message_ordering",
    "enable_secure_boot",
    "enable_vtpm",
    "enabled",
    "force_destroy",
    "read_only",
    "retain_acked_messages",
    "uniform_bucket_level_access",
}
LISTS = {
    "args",
    "command",
    "group_by_fields",
    "matches_prefix",
    "matches_storage_class",
    "mount_options",
    "notification_channels",
    "notification_prompts",
}
MAPS = {"headers", "label_extractors", "labels", "limits", "metadata"}


def attribute_type(name: str) -> Any:
    """A type as Terraform writes it in JSON."""
    for names, kind in ((NUMBERS, "number"), (BOOLS, "bool")):
        if name in names:
            return kind
    if name == "scopes":
        return ["set", "string"]
    if name in LISTS:
        return ["list", "string"]
    return ["map", "string"] if name in MAPS else "string"


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def message(number: int, content: bytes | str) -> bytes:
    """A field that has a length."""
    data = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(data)) + data


def flag(number: int, value: int) -> bytes:
    """A field that is a number."""
    return varint(number << 3) + varint(value)


def fields(data: bytes) -> dict[int, bytes]:
    """The fields of a message that have a length; each comes once."""
    found, at = {}, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        size, at = read_varint(data, at)
        if tag & 7 == 2:  # else it is the number itself
            found[tag >> 3] = data[at : at + size]
            at += size
    return found


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return number, at


def block(known: dict[str, Any]) -> bytes:
    """A Schema.Block."""
    out = b""
    for name, kind in known.items():
        if name == "_":
            continue
        if isinstance(kind, dict):
            least = flag(4, 1) if kind.get("_") == "!" else b""
            nested = message(1, name) + message(2, block(kind)) + flag(3, 2) + least
            out += message(3, nested)
        else:
            use = {"!": flag(4, 1), "?": flag(5, 1), "<": flag(6, 1)}[kind]
            kind_text = json.dumps(attribute_type(name))
            out += message(2, message(1, name) + message(2, kind_text) + use)
    return out


def schema(known: dict[str, Any]) -> bytes:
    return message(2, block(known))


def get_schema(_: bytes) -> bytes:
    """Of the provider, of its resources and its data sources."""
    out = message(1, schema({"project": "?", "region": "?"}))
    for name, known in SCHEMA.items():
        number = 3 if name in DATA_SOURCES else 2
        out += message(number, message(1, name) + message(2, schema(known)))
    return out


def packed(text: str) -> bytes:
    """A short text in MessagePack."""
    return bytes([0xA0 | len(text)]) + text.encode()


def computed(request: bytes, before: bytes, after: Callable[[str], bytes]) -> bytes:
    """The state that is proposed, with another value for what only Google knows.

    It is a map in MessagePack: a text, then its value.
    """
    asked = fields(request)
    state = fields(asked[3])[1]
    for name, kind in SCHEMA[asked[1].decode()].items():
        if kind == "<":
            state = state.replace(packed(name) + before, packed(name) + after(name))
    return message(1, message(1, state))


def plan(request: bytes) -> bytes:
    """What is proposed is what is planned."""
    return computed(request, NIL, lambda _: UNKNOWN)


def apply(request: bytes) -> bytes:
    """What was planned is there."""
    return computed(request, UNKNOWN, lambda name: packed(f"known-{name}"))


def upgrade(request: bytes) -> bytes:
    """A state of before is one of now; it comes, and may go, in JSON."""
    return message(1, message(2, fields(fields(request)[3])[1]))


def read(request: bytes) -> bytes:
    """What is there is what was there."""
    return message(1, fields(request)[2])


def read_data(_: bytes) -> bytes:
    """The project; a state may be written in JSON."""
    state = {"project_id": "my-project", "number": PROJECT_NUMBER}
    return message(1, message(2, json.dumps(state)))


def prepare(request: bytes) -> bytes:
    return message(1, fields(request)[1])


def nothing(_: bytes) -> bytes:
    return b""


METHODS: dict[str, Callable[[bytes], bytes]] = {
    "GetSchema": get_schema,
    "PrepareProviderConfig": prepare,
    "ValidateResourceTypeConfig": nothing,
    "ValidateDataSourceConfig": nothing,
    "Configure": nothing,
    "PlanResourceChange": plan,
    "ApplyResourceChange": apply,
    "UpgradeResourceState": upgrade,
    "ReadResource": read,
    "ReadDataSource": read_data,
    "Stop": nothing,
}


@contextmanager
def provider(socket: Path) -> Iterator[dict[str, str]]:
    """Serves; gives the environment that makes Terraform come here."""
    server = grpc.server(ThreadPoolExecutor(4))
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            lambda request, _, answer=answer: answer(request)
        )
        for name, answer in METHODS.items()
    }
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("tfplugin5.Provider", handlers)]
    )
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    place = {
        "Protocol": "grpc",
        "ProtocolVersion": 5,
        "Pid": os.getpid(),
        "Test": True,
        "Addr": {"Network": "unix", "String": str(socket)},
    }
    try:
        yield {"TF_REATTACH_PROVIDERS": json.dumps({NAME: place})}
    finally:
        server.stop(None).wait()
