"""The journal: what it holds survives a kill, and is of one command."""

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.backfill.journal import Journal, journal_name, key
from command.usage import UsageError

COMMAND = {"via": "archive", "from": "2026-05-06T00:00:00Z"}
ENTRIES = st.lists(st.tuples(st.text(min_size=1), st.text()), min_size=1, max_size=20)


@given(ENTRIES, st.data())
def test_cut_at_any_byte_it_has_every_line_before(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[tuple[str, str]],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, COMMAND)
    journal.add(entries)
    journal.close()
    content = journal.path.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    journal.path.write_bytes(content[:cut])

    whole = max(content[:cut].count(b"\n") - 1, 0)  # without the header
    again = Journal(folder, COMMAND)
    assert again.keys == {key(*entry) for entry in entries[:whole]}
    again.add(entries)  # nothing is glued to the line that was cut
    again.close()
    last = Journal(folder, COMMAND)
    assert last.keys == {key(*entry) for entry in entries}
    last.close()


def test_a_finished_one_says_so_until_it_starts_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path, COMMAND)
    journal.add([("FREQ", "a")])
    journal.finish(datetime(2026, 5, 7, tzinfo=UTC))
    journal.close()
    journal = Journal(tmp_path, COMMAND)
    assert (journal.finished, journal.keys) == ("2026-05-07T00:00:00Z", {"FREQ/a"})
    journal.start_over()
    journal.close()
    journal = Journal(tmp_path, COMMAND)
    assert (journal.finished, journal.keys) == (None, set())
    journal.close()


def test_another_command_has_another_journal() -> None:
    other = COMMAND | {"from": "2026-05-06T00:00:01Z"}
    assert journal_name(COMMAND) != journal_name(other)
    assert journal_name(COMMAND) == journal_name(dict(reversed(COMMAND.items())))


def test_a_second_run_of_the_same_command_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, COMMAND)
    with pytest.raises(UsageError, match="already running"):
        Journal(tmp_path, COMMAND)
    journal.close()
    Journal(tmp_path, COMMAND).close()


@pytest.mark.parametrize("content", [b'{"other": 1}\n', b"\xff\n"])
def test_a_file_of_something_else_is_never_written(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / journal_name(COMMAND)
    path.write_bytes(content)
    with pytest.raises(UsageError, match=path.name):
        Journal(tmp_path, COMMAND)
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_a_mistake_of_the_user(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="--journal: cannot write"):
        Journal(tmp_path / "file" / "folder", COMMAND)


@contextmanager
def full_disk(free_bytes: int) -> Iterator[None]:
    """No file grows beyond this; to a writer this is a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_at_the_beginning_is_a_mistake_of_the_user(
    tmp_path: Path,
) -> None:
    with full_disk(20), pytest.raises(UsageError, match="--journal: cannot write"):
        Journal(tmp_path, COMMAND)
    Journal(tmp_path, COMMAND).close()


def test_a_disk_that_fills_up_is_reported_once_and_costs_the_last_lines_only(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path, COMMAND)
    journal.add([("FREQ", "a")])
    with full_disk(journal.path.stat().st_size + 5):
        with pytest.raises(OSError, match=journal.path.name) as caught:
            journal.add([("FREQ", "b")])
        journal.close()
    assert caught.value.errno == errno.EFBIG
    journal = Journal(tmp_path, COMMAND)
    assert journal.keys == {"FREQ/a"}
    journal.close()
