"""The raw archive: names, whole files only, merged when their hour is over."""

import datetime as dt
import io
import time
from collections import Counter
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.io.filesystem import CompressionTypes, FileSystem
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import test_pipeline, test_stream
from google.api_core.exceptions import Forbidden

from command.usage import UsageError
from pipeline.core.decoding import Message
from pipeline.files import raw_archive
from pipeline.files.avro import read_messages
from pipeline.files.raw_archive import Hour, RawArchive, archive_of, hour_of, store
from pipeline.steps import archive as archive_messages
from pipeline.steps.archive import ArchiveMessages

NOW = dt.datetime(2026, 5, 8, 23, 59, tzinfo=dt.UTC)


class Memory(FileSystem):
    """Objects that appear when they are closed, as those of a bucket do."""

    FILES: dict[str, bytes] = {}  # noqa: RUF012 - one bucket for all instances
    FULL = False

    @classmethod
    def scheme(cls):
        return "mem"

    def create(self, path, mime_type="", compression_type=CompressionTypes.AUTO):
        class Object(io.BytesIO):
            def close(self):
                Memory.FILES[path] = self.getvalue()
                super().close()

        if Memory.FULL:
            raise OSError("quota exceeded")
        return Object()

    def open(self, path, mime_type="", compression_type=CompressionTypes.AUTO):
        return io.BytesIO(Memory.FILES[path])

    def rename(self, source_file_names, destination_file_names):
        for old, new in zip(source_file_names, destination_file_names, strict=True):
            Memory.FILES[new] = Memory.FILES.pop(old)

    def delete(self, paths):
        for path in paths:
            del Memory.FILES[path]

    def join(self, basepath, *paths):
        return "/".join([basepath, *paths])

    def split(self, path):
        return tuple(path.rsplit("/", 1))

    def mkdirs(self, path):
        raise NotImplementedError

    copy = has_dirs = size = last_updated = exists = checksum = metadata = mkdirs
    _list = mkdirs


@pytest.fixture(autouse=True)
def _fresh():
    archive_of.cache_clear()
    Memory.FILES.clear()
    Memory.FULL = False


@pytest.fixture(params=["local", "bucket"])
def prefix(request, tmp_path):
    return str(tmp_path / "raw") if request.param == "local" else "mem://bucket/raw"


def message(number, dataset="FREQ", published="2026-05-08T03:04:05.678Z"):
    return Message(b"%d" % number, {"dataset": dataset, "n": str(number)}, published)


def files_of(prefix):
    """Every file below a prefix, hidden or not: its bytes by its path from there."""
    if "://" in prefix:
        found = Memory.FILES.items()
    else:
        paths = (path for path in Path(prefix).rglob("*") if path.is_file())
        found = ((str(path), path.read_bytes()) for path in paths)
    return {path.removeprefix(f"{prefix}/"): content for path, content in found}


def messages_of(content):
    return list(read_messages(io.BytesIO(content), "x"))


@pytest.mark.parametrize(
    ("published", "hour"),
    [
        ("2026-05-08T03:59:59.999Z", "2026-05-08T03"),
        ("2026-05-08T03:59:59.123456789Z", "2026-05-08T03"),
        ("2026-05-08T00:30:00+01:00", "2026-05-07T23"),
        (None, "2026-05-08T23"),
        ("soon", "2026-05-08T23"),
    ],
)
def test_the_hour_is_that_of_publication(published, hour):
    assert hour_of(message(1, published=published), NOW) == Hour("FREQ", hour)


def test_a_file_is_named_by_dataset_and_hour(prefix):
    RawArchive(prefix).write(Hour("../x", "2026-05-08T03"), [message(1)])
    ((path, content),) = files_of(prefix).items()
    folder, day, name = path.split("/")
    assert (folder, day) == ("%2E%2E%2Fx", "2026-05-08")
    assert name.startswith("03-")
    assert name.endswith(".avro")
    assert messages_of(content) == [message(1)]


def test_a_write_that_fails_leaves_nothing(prefix):
    def half(opened):
        opened.write(b"half")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        store(f"{prefix}/FREQ/2026-05-08/03-1.avro", half)
    assert files_of(prefix) == {}


def test_what_a_kill_leaves_is_no_file_of_the_archive(tmp_path):
    def look(opened):
        opened.write(b"half")
        opened.flush()
        (name,) = files_of(str(tmp_path))
        assert not name.endswith(".avro")
        assert name.startswith(".")

    store(str(tmp_path / "03-1.avro"), look)


def test_files_of_an_hour_that_is_over_become_one(prefix):
    clock = [0.0]
    kept = RawArchive(prefix, lambda: clock[0])
    now = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H}"
    past = Hour("FREQ", "2026-05-08T03")
    for number in range(5):
        kept.write(past, [message(number)])
        kept.write(Hour("FREQ", now), [message(number)])
    clock[0] = raw_archive.QUIET_SECONDS - 1
    kept.merge()
    assert len(files_of(prefix)) == 10
    clock[0] += 1
    kept.merge()
    old = [text for path, text in files_of(prefix).items() if "2026-05-08/03" in path]
    (merged,) = old
    assert messages_of(merged) == [message(number) for number in range(5)]
    kept.write(past, [message(5)])
    kept.write(past, [message(6)])
    kept.merge(quiet_seconds=0)
    counts = Counter("2026-05-08/03" in path for path in files_of(prefix))
    # The current hour may be over by now, on a clock that just struck.
    assert counts[True] == 2
    assert counts[False] in (1, 5)


def test_many_files_of_an_hour_become_one_before_it_is_over(prefix):
    kept = RawArchive(prefix)
    hour = Hour("FREQ", "2999-01-01T00")
    for number in range(raw_archive.MAX_PARTS + 1):
        kept.write(hour, [message(number)])
    kept.merge()
    (merged,) = files_of(prefix).values()
    assert len(messages_of(merged)) == raw_archive.MAX_PARTS + 1


def test_files_that_cannot_be_merged_stay(prefix):
    kept = RawArchive(prefix)
    hour = Hour("FREQ", "2026-05-08T03")
    paths = [kept.write(hour, [message(number)]) for number in range(2)]
    if "://" in prefix:
        Memory.FILES[paths[1]] = b"no avro"
    else:
        Path(paths[1]).write_bytes(b"no avro")
    kept.merge(quiet_seconds=0)
    assert {f"{prefix}/{path}" for path in files_of(prefix)} == set(paths)


def test_a_bucket_that_lets_nothing_be_deleted_stops_nothing(monkeypatch, caplog):
    def refuse(_self, _paths):
        raise Forbidden("storage.objects.delete denied")

    kept = RawArchive("mem://bucket/raw")
    for number in range(2):
        kept.write(Hour("FREQ", "2026-05-08T03"), [message(number)])
    monkeypatch.setattr(Memory, "delete", refuse)
    kept.merge(quiet_seconds=0)
    assert "are not merged" in caplog.text


def test_a_prefix_that_cannot_be_written_is_a_mistake(tmp_path):
    (tmp_path / "file").touch()
    Memory.FULL = True
    for wrong in (f"{tmp_path}/file/raw", "mem://bucket/raw", "nowhere://bucket"):
        with pytest.raises(UsageError, match=r"--archive_prefix .* cannot be written"):
            RawArchive(wrong).check()


def test_a_check_leaves_nothing(prefix):
    RawArchive(prefix).check()
    assert files_of(prefix) == {}


def run(prefix, source, *, gather):
    options = PipelineOptions(streaming=True)
    with test_pipeline.TestPipeline(
        runner="BundleBasedDirectRunner", options=options
    ) as pipeline:
        _ = pipeline | source | ArchiveMessages(prefix, gather=gather)


@pytest.mark.parametrize("gather", [False, True])
def test_every_message_of_a_stream_is_archived(tmp_path, gather):
    late = message(3, published="2026-05-05T03:00:00Z")
    source = (
        test_stream.TestStream()
        .add_elements([message(1), message(2), message(1, "NDF")])
        .advance_watermark_to(10 * 24 * 3600)
        .add_elements([late])
        # The test clock begins at 0, the timer at the time of day.
        .advance_processing_time(int(time.time()) + 3600)
        .add_elements([message(4)])
        .advance_watermark_to_infinity()
    )
    run(str(tmp_path), source, gather=gather)
    found = Counter()
    for path, content in files_of(str(tmp_path)).items():
        folder, day, _ = path.split("/")
        found.update((folder, day, each.data) for each in messages_of(content))
    assert found == Counter(
        [
            *(("FREQ", "2026-05-08", data) for data in (b"1", b"2", b"4")),
            ("FREQ", "2026-05-05", b"3"),
            ("NDF", "2026-05-08", b"1"),
        ]
    )


def test_gathering_makes_one_file_of_many_bundles(tmp_path):
    source = test_stream.TestStream()
    for number in range(20):
        source = source.add_elements([message(number)])
    run(str(tmp_path), source.advance_watermark_to_infinity(), gather=True)
    (content,) = files_of(str(tmp_path)).values()
    assert len(messages_of(content)) == 20


def test_a_bundle_of_any_size_is_written_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_messages, "MAX_BUFFERED_BYTES", 10_000)
    messages = [message(number) for number in range(100)]
    with test_pipeline.TestPipeline(runner="FnApiRunner") as pipeline:
        source = pipeline | beam.Create(messages, reshuffle=False)
        _ = source | ArchiveMessages(str(tmp_path), gather=False)
    files = [messages_of(content) for content in files_of(str(tmp_path)).values()]
    assert max(map(len, files)) <= 10
    assert sum(map(len, files)) == 100
