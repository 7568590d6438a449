"""Files of messages: every form gives the same messages, and no trick gets far."""

import gzip
import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from pipeline.core.decoding import MAX_UNPACKED_BYTES
from pipeline.files import messages, tar
from pipeline.files.messages import messages_in
from pipeline.steps.sources import find

SAMPLES = Path(__file__).parents[4] / "local" / "samples"
BODY = b'"[{\\"dataset\\":\\"FREQ\\"}]"'
NAMELESS = b'"[{\\"frequency\\":50.0}]"'


def read(data, path, size=None):
    """The messages of a file that holds these bytes."""
    opened = io.BytesIO(data)
    return list(messages_in(opened, path, len(data) if size is None else size))


def packed(members, mode="w:gz"):
    """A tar file of (name or TarInfo, bytes)."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode=mode) as archive:
        for name, data in members:
            member = (
                name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            )
            member.size = member.size or len(data)
            archive.addfile(member, io.BytesIO(data))
    return written.getvalue()


def names(messages):
    return [(m.dataset, m.message_id) for m in messages]


def test_a_tar_of_the_samples_gives_what_their_folder_gives():
    paths = sorted(Path(file.path) for file in find(str(SAMPLES)) if not file.is_other)
    plain = [m for p in paths for m in read(p.read_bytes(), str(p))]
    members = [(f"./{p.relative_to(SAMPLES)}", p.read_bytes()) for p in paths]
    for mode in ("w:gz", "w"):
        assert read(packed(members, mode), "samples.tar.gz") == plain
    assert len(plain) > 10


@pytest.mark.parametrize(
    ("path", "dataset", "message_id"),
    [
        ("data/FREQ/FREQ_202605080000_1.json", "FREQ", "FREQ_202605080000_1.json"),
        ("data/FREQ/FREQ_202605080000_1.json.gz", "FREQ", "FREQ_202605080000_1.json"),
        ("data/FREQ/any name", "FREQ", "any name"),
        ("Downloads/FREQ_202605080000_1.json", "FREQ", "FREQ_202605080000_1.json"),
        ("FREQ_202605080000_1.json", "FREQ", "FREQ_202605080000_1.json"),
        ("data/mibm_mid/x.json", "mibm_mid", "x.json"),
        ("in/NEW_ONE_202605080000_1.json", "NEW_ONE", "NEW_ONE_202605080000_1.json"),
        ("NEW_ONE/x.json", "NEW_ONE", "x.json"),
        ("x.json", "unknown", "x.json"),
    ],
)
def test_the_path_names_dataset_and_message(path, dataset, message_id):
    (message,) = read(NAMELESS, path)
    assert (message.dataset, message.message_id) == (dataset, message_id)
    assert message.attributes["publish_id"] == message_id
    assert (message.data, message.fault) == (NAMELESS, None)


@pytest.mark.parametrize(
    ("path", "dataset"),
    [
        # The folder of a dataset, and IRIS's own name, count more than records.
        ("MID/x.json", "MID"),
        ("in/MID_202605080000_1.json", "MID"),
        ("NEW/NEW_202605080000_1.json", "NEW"),
        ("in/x.json", "FREQ"),
        ("x.json", "FREQ"),
        ("NEW/x.json", "FREQ"),
        ("unknown/6f0c2d1e-aaaa-bbbb-cccc-000000000001", "FREQ"),
        ("in/freq_202605080000_202605090000.json", "FREQ"),
        # All records name another dataset than the file.
        ("mid.json", "FREQ"),
    ],
)
def test_records_name_the_dataset_where_the_path_does_not(path, dataset):
    for data in (BODY, gzip.compress(BODY), b'{"data": [{"dataset": "FREQ"}]}'):
        (message,) = read(data, path)
        assert (message.dataset, message.data) == (dataset, data)


@pytest.mark.parametrize(
    ("path", "dataset"),
    [
        ("FREQ.json", "FREQ"),
        ("freq-2026-05-06.json", "FREQ"),
        ("in/sys_warn 2026.jsonl", "SYS_WARN"),
        ("syswarn_2026.json", "SYS_WARN"),
        ("freq/2026-05-06.json", "FREQ"),
        ("in/frequency.json", "in"),
        ("in/2026_freq.json", "in"),
    ],
)
def test_a_path_names_a_dataset_in_any_case_where_records_name_none(path, dataset):
    (message,) = read(NAMELESS, path)
    assert message.dataset == dataset


ARRAY = b' \n[{"dataset":"FREQ"}]'


@pytest.mark.parametrize(
    ("path", "data", "source"),
    [
        ("FREQ/FREQ_202605080000_1.json", ARRAY, "IRIS"),
        ("in/FREQ_202605080000_1.json", ARRAY, "IRIS"),
        ("NEW/NEW_202605080000_1.json", ARRAY, "IRIS"),
        ("FREQ/6f0c2d1e-aaaa-bbbb-cccc-000000000001", ARRAY, "IRIS"),
        ("FREQ/6f0c2d1e-aaaa-bbbb-cccc-000000000001.json", ARRAY, "IRIS"),
        ("FREQ/any name", ARRAY, "IRIS"),
        ("FREQ/x.json", BODY, "IRIS"),
        ("FREQ/x.json.gz", gzip.compress(b"\xef\xbb\xbf" + BODY, mtime=0), "IRIS"),
        ("FREQ/x.json", ARRAY, "INSIGHTS_API"),
        ("FREQ/x.json.gz", gzip.compress(ARRAY, mtime=0), "INSIGHTS_API"),
        ("FREQ/x.jsonl", b'{"frequency":50}', "INSIGHTS_API"),
        ("FREQ/freq_202605080000_202605090000.json", ARRAY, "INSIGHTS_API"),
    ],
)
def test_a_plain_array_is_of_iris_where_the_file_has_a_name_of_iris(path, data, source):
    (message,) = read(data, path)
    assert message.attributes["source"] == source


@pytest.mark.parametrize("name", ["/etc/FREQ/x.json", "../FREQ/x.json", "a/../../x"])
def test_a_name_that_leads_out_of_the_archive_is_a_fault(name):
    good = ("FREQ/good.json", BODY)
    messages = read(packed([good, (name, BODY), good]), "x.tar.gz")
    assert [bool(m.fault) for m in messages] == [False, True, False]
    assert "outside of the tar file" in messages[1].fault


def test_links_devices_and_members_beside_the_tree_are_no_messages():
    members = [("FREQ/.DS_Store", b"x"), ("README.md", b"x"), ("FREQ/good.json", BODY)]
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
        link = tarfile.TarInfo("FREQ/link.json")
        link.type, link.linkname = kind, "/etc/passwd"
        members.append((link, b""))
    assert names(read(packed(members), "x.tgz")) == [("FREQ", "good.json")]


def test_a_member_too_large_for_a_message_is_a_fault_and_the_rest_is_read():
    vast = tarfile.TarInfo("FREQ/vast.json")
    vast.size = MAX_UNPACKED_BYTES + 1
    data = packed([(vast, bytes(vast.size)), ("FREQ/good.json", BODY)])
    first, second = read(data, "x.tar.gz")
    assert "too many" in first.fault
    assert (second.message_id, second.fault) == ("good.json", None)


def test_a_bomb_is_given_up(monkeypatch):
    monkeypatch.setattr(tar, "RATIO_FROM_BYTES", 2**20)
    zeros = bytes(2**20)
    bomb = packed([(f"FREQ/{index}.json", zeros) for index in range(64)])
    messages = read(bomb, "bomb.tar.gz")
    assert len(messages) < 64
    assert "without end" in messages[-1].fault
    assert messages[-1].message_id == "bomb.tar.gz"


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_an_archive_that_is_cut_off_gives_what_is_whole_and_a_fault(cut):
    bodies = [(f"FREQ/{index}.json", os.urandom(5_000)) for index in range(100)]
    whole = packed(bodies)
    *good, last = read(whole[: int(cut * len(whole))], "x.tar.gz")
    assert [m.data for m in good] == [body for _, body in bodies[: len(good)]]
    assert 0.8 * cut < len(good) / 100 <= cut
    assert "cannot be read to its end" in last.fault


MEMBER_BYTES = 1_024
FIVE = [(f"FREQ/{index}.json", BODY) for index in range(5)]


@pytest.mark.parametrize("cut", [3 * MEMBER_BYTES, 3 * MEMBER_BYTES + 100])
def test_a_plain_archive_that_is_cut_off_between_two_files_is_a_fault(cut):
    *good, last = read(packed(FIVE, "w")[:cut], "x.tar")
    assert len(good) == 3
    assert "cut off" in last.fault or "truncated" in last.fault


@pytest.mark.parametrize("damage", ["name", "size"])
def test_a_broken_header_in_the_middle_is_a_fault(damage):
    data = bytearray(packed(FIVE, "w"))
    header = 2 * MEMBER_BYTES
    if damage == "name":
        data[header] ^= 0xFF
    else:  # a size of 2**62 bytes, with a checksum that is right
        data[header + 124 : header + 136] = b"\x80" + (2**62).to_bytes(11, "big")
        block = data[header : header + 512]
        total = sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
        data[header + 148 : header + 156] = b"%06o\0 " % total
    *good, last = read(bytes(data), "x.tar")
    assert len([m for m in good if not m.fault]) == 2
    assert "cannot be read to its end" in last.fault


def test_archives_that_follow_one_another_are_all_read():
    for mode in ("w", "w:gz"):
        messages = read(packed(FIVE, mode) + packed(FIVE, mode), "x.tar.gz")
        assert [m.fault for m in messages] == [None] * 10


def test_garbage_after_an_archive_and_a_wrong_checksum_of_gzip_are_faults():
    whole = packed(FIVE)
    for data in (
        whole[:-8] + b"12345678",
        whole + b"x" * 600,
        packed(FIVE, "w") + b"x",
    ):
        *good, last = read(data, "x.tar.gz")
        assert [m.fault for m in good] == [None] * 5
        assert "cannot be read to its end" in last.fault


def test_an_archive_without_files_has_no_messages():
    assert read(packed([]), "x.tar.gz") == []


def test_a_large_file_that_is_no_bomb_costs_no_neighbour(monkeypatch):
    monkeypatch.setattr(tar, "RATIO_FROM_BYTES", 2**20)
    monkeypatch.setattr(messages, "MAX_UNPACKED_BYTES", 2**20)
    members = [("FREQ/vast.json", os.urandom(3 * 2**20)), ("FREQ/good.json", BODY)]
    first, second = read(packed(members), "x.tar.gz")
    assert "too many" in first.fault
    assert (second.message_id, second.fault) == ("good.json", None)


@pytest.mark.parametrize("name", ["FREQ/./x.json", "FREQ//x.json", "././FREQ/x.json"])
def test_the_same_path_in_other_words_names_the_same_dataset(name):
    assert names(read(packed([(name, BODY)]), "x.tar")) == [("FREQ", "x.json")]


@pytest.mark.parametrize("name", [".git/FREQ/x.json", "in/.trash/x.json", "./.x.json"])
def test_hidden_folders_of_an_archive_are_left_out_as_those_of_a_folder_are(name):
    assert read(packed([(name, BODY)]), "x.tar") == []


def test_a_name_that_is_no_text_is_shown_with_escapes():
    (message,) = read(packed([("FREQ/\udcff.json", BODY)]), "x.tar")
    assert (message.dataset, message.message_id) == ("FREQ", "\\xff.json")


def test_a_header_without_end_is_not_read(monkeypatch):
    monkeypatch.setattr(tar, "MAX_HEADER_BYTES", 1_000)
    *_, last = read(packed([*FIVE, ("FREQ/" + "n" * 2_000, BODY)]), "x.tar.gz")
    assert "header of" in last.fault


@pytest.mark.parametrize("data", [b"", b"no archive", gzip.compress(b"no", mtime=0)])
def test_what_is_no_archive_is_a_fault(data):
    (message,) = read(data, "x.tar.gz")
    assert message.fault


def test_a_file_too_large_for_a_message_is_not_read():
    (message,) = read(BODY, "FREQ/x.json", MAX_UNPACKED_BYTES + 1)
    assert "too many" in message.fault
    assert message.data == b""


def test_finding_takes_globs_and_folders_and_leaves_hidden_files(tmp_path):
    listed = ["a/FREQ/1.json", "a/FREQ/.2.json", "a/.git/3", "b/FREQ/4.json"]
    listed += ["lines.jsonl", "lines.ndjson.gz", "table.csv"]
    for name in (*listed, "README.md", "loose.json", "b/NEW/no ending"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(BODY)
    (tmp_path / "a" / "loop").symlink_to(tmp_path)

    def found(pattern):
        listed = (
            Path(file.path).relative_to(tmp_path)
            for file in find(pattern)
            if not file.is_other
        )
        return sorted(str(path) for path in listed)

    inner = ["a/FREQ/1.json", "b/FREQ/4.json", "b/NEW/no ending"]
    beside = ["lines.jsonl", "lines.ndjson.gz", "loose.json"]
    assert found(str(tmp_path)) == [*inner, *beside]
    assert found(f"{tmp_path}/a/FREQ") == ["a/FREQ/1.json"]
    assert found(f"{tmp_path}/[ab]") == inner
    assert found(f"{tmp_path}/b/**/*.json") == ["b/FREQ/4.json"]
    assert found(f"{tmp_path}/c*") == []
    assert found(f"{tmp_path}/*") == [*inner, *beside]
    assert found(f"{tmp_path}/README.md") == []
    assert [file.size_bytes for file in find(f"{tmp_path}/b/FREQ")] == [len(BODY)]


@pytest.mark.parametrize("pattern", ["**", "*/**", "**/*", "**/[ab]"])
def test_a_glob_over_many_levels_gives_each_file_once(tmp_path, pattern):
    for name in ("a/FREQ/1.json", "a/b/FREQ/2", "a/b/3"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(BODY)
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    found = [Path(file.path).name for file in find(f"{tmp_path}/{pattern}")]
    assert sorted(found) == ["1.json", "2", "3"]


def test_a_file_that_goes_away_while_its_folder_is_listed_is_a_fault(tmp_path):
    for index in range(3):
        path = tmp_path / "FREQ" / f"{index}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(BODY)
    listing = find(str(tmp_path))
    first = next(listing)
    for path in (tmp_path / "FREQ").iterdir():
        path.unlink()
    rest = list(listing)
    assert first.fault is None
    assert all("No such file" in found.fault for found in rest)


def test_a_folder_that_goes_away_before_it_is_listed_is_a_fault(tmp_path):
    for name in ("FREQ", "NDF"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.json").write_bytes(BODY)
    listing = find(str(tmp_path))
    first = Path(next(listing).path).parent
    shutil.rmtree(tmp_path / ("NDF" if first.name == "FREQ" else "FREQ"))
    (second,) = listing
    assert "No such file" in second.fault


def test_a_link_to_a_folder_is_named(tmp_path, caplog):
    (tmp_path / "in").mkdir()
    (tmp_path / "FREQ").mkdir()
    (tmp_path / "in" / "FREQ").symlink_to(tmp_path / "FREQ")
    assert list(find(str(tmp_path / "in"))) == []
    assert "in/FREQ is a link to a folder" in caplog.text
