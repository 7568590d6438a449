"""What comes from outside never raises, and what cannot be used says why."""

import gzip
import io
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.pubsub_v1 import types
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.envelope import (
    MAX_ATTRIBUTE_BYTES,
    UnpublishableError,
    body_bytes,
    seal,
)
from pipeline import registry
from pipeline.core.decoding import Message, decode
from pipeline.files.messages import messages_in
from pipeline.registry import RegistryError, parse_dataset
from tests.property.examples import examples

NOW = "2026-05-06T03:00:00Z"
TEXTS = st.one_of(st.text(), st.characters(categories=["Cs"]), st.just("x" * 5_000))
PROPERTIES = st.one_of(
    st.none(), TEXTS, st.binary(), st.uuids(), st.integers(0, 2**64 - 1)
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.binary()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(PROPERTIES, inner, max_size=4)
    ),
    max_leaves=10,
)


@dataclass
class Received:
    """The parts of a Service Bus message that the bridge uses."""

    body: Any
    subject: Any
    message_id: Any
    sequence_number: int | None
    enqueued_time_utc: datetime | None
    delivery_count: int | None


RECEIVED = st.builds(
    Received,
    body=VALUES,
    subject=PROPERTIES,
    message_id=PROPERTIES,
    sequence_number=st.none() | st.integers(-(2**63), 2**63 - 1),
    enqueued_time_utc=st.none() | st.datetimes(timezones=st.just(UTC)),
    delivery_count=st.none() | st.integers(0, 2**32),
)


@given(RECEIVED)
def test_any_message_is_published_as_pubsub_accepts_it_or_refused(received):
    try:
        sealed = seal(received, body_bytes(received.body))
    except UnpublishableError as error:
        assert str(error)
        return
    types.PubsubMessage(data=sealed.data, attributes=sealed.attributes)
    assert sealed.data
    for value in sealed.attributes.values():
        assert len(value.encode()) <= MAX_ATTRIBUTE_BYTES


def test_a_body_that_is_nested_too_deeply_is_refused():
    body: list[Any] = []
    for _ in range(50_000):
        body = [body]
    with pytest.raises(UnpublishableError, match="nested"):
        body_bytes(body)
    while body:  # Python itself would free it by recursion
        body = body[0]


@pytest.mark.parametrize("opening", ["[", '[{"a":', '{"data":'])
@pytest.mark.parametrize("closing", ["", "]"])
def test_a_message_that_is_nested_too_deeply_is_a_dead_letter(opening, closing):
    body = (opening * 50_000 + closing * 50_000).encode()
    decoded = decode(Message(body, {"dataset": "FREQ"}), NOW)
    assert [letter.payload for letter in decoded.dead_letters] == [body]


def tar_of(packing: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w{packing}") as tar:
        for number in range(3):
            body = b'[{"dataset":"FREQ","frequency":50.0}]' * (1 + 400 * number)
            member = tarfile.TarInfo(f"FREQ/FREQ_202605060000_{number}.json")
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return file.getvalue()


FILES = {
    "in.tar": tar_of(""),
    "in.tar.gz": tar_of(":gz"),
    "FREQ/a.json.gz": gzip.compress(b'[{"dataset":"FREQ"}]' * 50),
}


@st.composite
def mangled(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file of one of the forms, with some of its bytes changed, cut or doubled."""
    name = draw(st.sampled_from(sorted(FILES)))
    content = bytearray(FILES[name])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 600))
        content[at : at + length] = draw(
            st.one_of(
                st.binary(max_size=20),
                st.just(bytes(content[at : at + length] * 2)),
                st.just(b""),
            )
        )
    return name, bytes(content)


@settings(max_examples=examples(60))
@given(mangled())
def test_a_mangled_file_gives_messages_and_faults_and_never_raises(file):
    name, content = file
    for message in messages_in(io.BytesIO(content), name, len(content)):
        decoded = decode(message, NOW)
        assert decoded.count >= len(decoded.records)


@given(st.binary(max_size=2_000), st.sampled_from(["a.tar", "a.tgz", "a.avro", "a.gz"]))
def test_any_bytes_under_any_name_never_raise(content, name):
    for message in messages_in(io.BytesIO(content), name, len(content)):
        decode(message, NOW)


IN_YAML = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.dates(),
    st.lists(st.text(), max_size=3),
    st.dictionaries(st.text(), st.text(), max_size=3),
)
SOURCES = sorted(Path(str(registry.FOLDER)).glob("*.yaml"))


@st.composite
def changed_dataset(draw: st.DrawFn) -> tuple[str, str]:
    """A file of the registry in which a value is another one."""
    path = draw(st.sampled_from(SOURCES))
    loaded = yaml.safe_load(path.read_text())
    where: Any = loaded
    while True:
        keys = list(where) if isinstance(where, dict) else list(range(len(where)))
        key = draw(st.sampled_from(keys))
        if isinstance(where[key], dict | list) and where[key] and draw(st.booleans()):
            where = where[key]
            continue
        where[key] = draw(IN_YAML)
        return path.name, yaml.safe_dump(loaded)


@settings(max_examples=examples(60))
@given(changed_dataset())
def test_a_changed_dataset_is_read_or_refused_in_one_line(file):
    name, text = file
    try:
        parse_dataset(name, text)
    except RegistryError as error:
        assert name in str(error)
        assert "\n" not in str(error)


@given(st.text())
@example("[" * 2_000)
@example("a: &a [b, *a]")
def test_any_text_is_no_dataset(text):
    with pytest.raises(RegistryError):
        parse_dataset("FREQ.yaml", text)
