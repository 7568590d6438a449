"""Files of messages: every form gives the same messages, and no trick gets far."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from pipeline import files
from pipeline.decoding import MAX_UNPACKED_BYTES
from pipeline.sources import find

SAMPLES = Path(__file__).parents[3] / "local" / "samples"
BODY = b'"[{\\"dataset\\":\\"FREQ\\"}]"'


def read(data, path, size=None):
    """The messages of a file that holds these bytes."""
    opened = io.BytesIO(data)
    return list(files.messages(opened, path, len(data) if size is None else size))


def tar(members, mode="w:gz"):
    """A tar archive of (name or TarInfo, bytes)."""
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
    paths = sorted(Path(file.path) for file in find(str(SAMPLES)))
    plain = [m for p in paths for m in read(p.read_bytes(), str(p))]
    members = [(f"./{p.relative_to(SAMPLES)}", p.read_bytes()) for p in paths]
    for mode in ("w:gz", "w"):
        assert read(tar(members, mode), "samples.tar.gz") == plain
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
    (message,) = read(BODY, path)
    assert (message.dataset, message.message_id) == (dataset, message_id)
    assert message.attributes["publish_id"] == message_id
    assert (message.data, message.fault) == (BODY, None)


@pytest.mark.parametrize("name", ["/etc/FREQ/x.json", "../FREQ/x.json", "a/../../x"])
def test_a_name_that_leads_out_of_the_archive_is_a_fault(name):
    good = ("FREQ/good.json", BODY)
    messages = read(tar([good, (name, BODY), good]), "x.tar.gz")
    assert [bool(m.fault) for m in messages] == [False, True, False]
    assert "out of its archive" in messages[1].fault


def test_links_devices_and_members_beside_the_tree_are_no_messages():
    members = [("FREQ/.DS_Store", b"x"), ("README.md", b"x"), ("FREQ/good.json", BODY)]
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
        link = tarfile.TarInfo("FREQ/link.json")
        link.type, link.linkname = kind, "/etc/passwd"
        members.append((link, b""))
    assert names(read(tar(members), "x.tgz")) == [("FREQ", "good.json")]


def test_a_member_too_large_for_a_message_is_a_fault_and_the_rest_is_read():
    vast = tarfile.TarInfo("FREQ/vast.json")
    vast.size = MAX_UNPACKED_BYTES + 1
    data = tar([(vast, bytes(vast.size)), ("FREQ/good.json", BODY)])
    first, second = read(data, "x.tar.gz")
    assert "too many" in first.fault
    assert (second.message_id, second.fault) == ("good.json", None)


def test_a_bomb_is_given_up(monkeypatch):
    monkeypatch.setattr(files, "RATIO_FROM_BYTES", 2**20)
    zeros = bytes(2**20)
    bomb = tar([(f"FREQ/{index}.json", zeros) for index in range(64)])
    messages = read(bomb, "bomb.tar.gz")
    assert len(messages) < 64
    assert "without end" in messages[-1].fault
    assert messages[-1].message_id == "bomb.tar"


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_an_archive_that_is_cut_off_gives_what_is_whole_and_a_fault(cut):
    bodies = [(f"FREQ/{index}.json", os.urandom(5_000)) for index in range(100)]
    whole = tar(bodies)
    *good, last = read(whole[: int(cut * len(whole))], "x.tar.gz")
    assert [m.data for m in good] == [body for _, body in bodies[: len(good)]]
    assert 0.8 * cut < len(good) / 100 <= cut
    assert "cannot be read to its end" in last.fault


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
    for name in (*listed, "README.md", "loose.json", "b/NEW/no ending"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(BODY)
    (tmp_path / "a" / "loop").symlink_to(tmp_path)

    def found(pattern):
        listed = (Path(file.path).relative_to(tmp_path) for file in find(pattern))
        return sorted(str(path) for path in listed)

    inner = ["a/FREQ/1.json", "b/FREQ/4.json", "b/NEW/no ending"]
    assert found(str(tmp_path)) == [*inner, "loose.json"]
    assert found(f"{tmp_path}/a/FREQ") == ["a/FREQ/1.json"]
    assert found(f"{tmp_path}/[ab]") == inner
    assert found(f"{tmp_path}/b/**/*.json") == ["b/FREQ/4.json"]
    assert found(f"{tmp_path}/c*") == []
    assert [file.size_bytes for file in find(f"{tmp_path}/b/FREQ")] == [len(BODY)]
