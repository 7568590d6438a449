"""Where rows are written."""

from pathlib import Path

import pytest

from command.usage import UsageError
from sql.query.output_file import complete_file

FULL = Path("/dev/full")


def test_a_file_is_in_its_place_only_when_it_is_complete(tmp_path):
    out = tmp_path / "rows.csv"
    with complete_file(out) as stream:
        stream.write(b"a\n")
        stream.flush()
        assert not out.exists()
    assert out.read_bytes() == b"a\n"
    assert list(tmp_path.iterdir()) == [out]


def test_what_breaks_off_leaves_the_file_that_was_there(tmp_path):
    out = tmp_path / "rows.csv"
    out.write_text("before")
    with pytest.raises(KeyboardInterrupt), complete_file(out) as stream:
        stream.write(b"a\n")
        raise KeyboardInterrupt
    assert out.read_text() == "before"
    assert list(tmp_path.iterdir()) == [out]


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    link.symlink_to(target)
    with complete_file(link) as stream:
        stream.write(b"a\n")
    assert link.is_symlink()
    assert target.read_bytes() == b"a\n"


def test_a_full_disk_is_said_in_a_line():
    stream = complete_file(FULL)
    stream.__enter__().write(b"a\n")
    with pytest.raises(UsageError, match="/dev/full: No space left on device"):
        stream.__exit__(None, None, None)
    assert FULL.is_char_device()


def test_a_folder_that_is_gone_is_a_mistake(tmp_path):
    with pytest.raises(UsageError, match="cannot write OUT"):
        complete_file(tmp_path / "gone" / "rows.csv").__enter__()
