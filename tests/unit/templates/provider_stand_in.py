"""A stand-in for the google provider: as much of Terraform's protocol as apply needs.

Why not `terraform test` with `mock_provider`? It asks the real provider for its schema,
and fails with "Missing required provider" where the provider is not installed, as here:
its registry is not reachable. It also cannot test `terraform state rm`, or a state that
outlives a change of variant.

The stand-in has the arguments in tests/fixtures/terraform/provider_schema.yaml. It does
not check their values, and creates nothing. Whatever only Google knows, such as an id,
becomes `known-` and the name of the attribute. Terraform attaches to a running provider
named in TF_REATTACH_PROVIDERS (https://developer.hashicorp.com/terraform/plugin/debugging)
and so evaluates every expression for real.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

ROOT = Path(__file__).parents[3]
SCHEMA = yaml.safe_load(
    (ROOT / "tests/fixtures/terraform/provider_schema.yaml").read_text()
)
NAME = "registry.terraform.io/hashicorp/google"
DATA_SOURCES = ("google_project",)
PROJECT = {"project_id": "my-project", "number": "123456789012"}

# Of tfplugin5.proto (https://github.com/hashicorp/terraform/blob/main/docs/plugin-protocol)
# the fields that are used here. Messages with the same fields have one name.
PROTO = """
message Value { bytes msgpack = 1; bytes json = 2; }
message Attribute {
  string name = 1; bytes type = 2; bool required = 4; bool optional = 5;
  bool computed = 6;
}
message NestedBlock {
  string type_name = 1; Block block = 2; int32 nesting = 3; int32 min_items = 4;
}
message Block {
  repeated Attribute attributes = 2; repeated NestedBlock block_types = 3;
}
message Schema { Block block = 2; }
message NamedSchema { string key = 1; Schema value = 2; }
message Schemas {
  Schema provider = 1; repeated NamedSchema resources = 2;
  repeated NamedSchema data_sources = 3;
}
message State { Value value = 1; }
message Change { string type_name = 1; Value current = 2; Value new = 3; }
message RawState { bytes json = 1; }
message Upgrade { string type_name = 1; RawState raw = 3; }
message Nothing { }
"""
LIST = 2  # NestedBlock.nesting: a block may come several times
# MessagePack: null, and Terraform's extension for "known after apply".
NULL, UNKNOWN = b"\xc0", b"\xd4\x00\x00"


def message_types(proto: str) -> SimpleNamespace:
    """The classes of the messages in a text of the protocol buffers language."""
    file = descriptor_pb2.FileDescriptorProto(name="stand_in", syntax="proto3")
    for name, body in re.findall(r"message (\w+) {(.*?)}", proto, re.S):
        message = file.message_type.add(name=name)
        for repeated, kind, field, number in re.findall(
            r"(repeated )?(\w+) (\w+) = (\d+);", body
        ):
            added = message.field.add(name=field, number=int(number))
            added.label = added.LABEL_REPEATED if repeated else added.LABEL_OPTIONAL
            if kind[0].islower():
                added.type = added.Type.Value(f"TYPE_{kind.upper()}")
            else:
                added.type, added.type_name = added.TYPE_MESSAGE, f".{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    found = {
        message.name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(message.name)
        )
        for message in file.message_type
    }
    return SimpleNamespace(**found)


T = message_types(PROTO)


def attribute(name: str, text: str) -> Any:
    """An attribute of the schema, from a text such as `? number`."""
    use, _, kind = text.partition(" ")
    is_collection = kind in ("list", "set", "map")
    in_json = json.dumps([kind, "string"] if is_collection else kind or "string")
    return T.Attribute(
        name=name,
        type=in_json.encode(),
        required=use == "!",
        optional=use == "?",
        computed=use == "<",
    )


def schema(known: dict[str, Any]) -> Any:
    """A schema, from a mapping of names to texts or blocks."""
    block = T.Block()
    for name, value in known.items():
        if isinstance(value, dict):
            block.block_types.add(
                type_name=name,
                block=schema(value).block,
                nesting=LIST,
                min_items=int(value.get("_") == "!"),
            )
        elif name != "_":
            block.attributes.append(attribute(name, value))
    return T.Schema(block=block)


def get_schema(_: Any) -> Any:
    """The schemas of the provider, its resources and its data sources."""
    schemas = T.Schemas(provider=schema({"project": "?", "region": "?"}))
    for name, known in SCHEMA.items():
        is_data = name in DATA_SOURCES
        kinds = schemas.data_sources if is_data else schemas.resources
        kinds.add(key=name, value=schema(known))
    return schemas


def changed(change: Any, before: bytes, after: Callable[[str], bytes]) -> Any:
    """The new state, with another value for every read-only attribute.

    A state is a map in MessagePack: each name is directly followed by its value.
    """
    state = change.new.msgpack
    for name, text in SCHEMA[change.type_name].items():
        if text == "<":
            state = state.replace(packed(name) + before, packed(name) + after(name))
    return T.State(value=T.Value(msgpack=state))


def packed(text: str) -> bytes:
    """A short text in MessagePack."""
    return bytes([0xA0 | len(text)]) + text.encode()


def nothing(_: Any) -> Any:
    return T.Nothing()


# Each method with the type of its requests.
METHODS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "GetSchema": (T.Nothing, get_schema),
    "PrepareProviderConfig": (T.State, lambda config: config),
    "Configure": (T.Nothing, nothing),
    "ValidateResourceTypeConfig": (T.Nothing, nothing),
    "ValidateDataSourceConfig": (T.Nothing, nothing),
    # What Terraform proposes is planned, and what is planned is there afterwards.
    "PlanResourceChange": (
        T.Change,
        lambda change: changed(change, NULL, lambda _: UNKNOWN),
    ),
    "ApplyResourceChange": (
        T.Change,
        lambda change: changed(change, UNKNOWN, lambda name: packed(f"known-{name}")),
    ),
    "UpgradeResourceState": (
        T.Upgrade,
        lambda upgrade: T.State(value=T.Value(json=upgrade.raw.json)),
    ),
    "ReadResource": (T.Change, lambda change: T.State(value=change.current)),
    "ReadDataSource": (
        T.Nothing,
        lambda _: T.State(value=T.Value(json=json.dumps(PROJECT).encode())),
    ),
    "Stop": (T.Nothing, nothing),
}


@contextmanager
def provider(socket: Path) -> Iterator[dict[str, str]]:
    """Serves; returns the environment that makes Terraform use this provider."""
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            lambda request, _, answer=answer: answer(request),
            request_deserializer=kind.FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )
        for name, (kind, answer) in METHODS.items()
    }
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("tfplugin5.Provider", handlers)]
    )
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    reattach = {
        "Protocol": "grpc",
        "ProtocolVersion": 5,
        "Pid": os.getpid(),
        "Test": True,
        "Addr": {"Network": "unix", "String": str(socket)},
    }
    try:
        yield {"TF_REATTACH_PROVIDERS": json.dumps({NAME: reattach})}
    finally:
        server.stop(None).wait()
