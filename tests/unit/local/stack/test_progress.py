"""What a user sees of a run."""

import contextlib
import os
import pty
import re
import sys

import pytest
from rich.console import Console

from local.stack import progress
from local.stack.keys import Keys, edited
from local.stack.progress import (
    SORT_SECONDS,
    Activity,
    Order,
    PlainProgress,
    final_table,
    live_table,
)
from local.stack.snapshot import Snapshot
from local.stack.summary import Counts


def snapshot(**messages: int) -> Snapshot:
    return Snapshot(ledger={name: Counts(messages=n) for name, n in messages.items()})


def rendered(table) -> str:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(table)
    return console.export_text()


def test_the_rate_is_that_of_the_last_seconds():
    activity = Activity()
    activity.add(snapshot(FREQ=0), 0.0)
    activity.add(snapshot(FREQ=1_000), 1.0)
    assert activity.rate == 1_000
    for second in range(2, 30):
        activity.add(snapshot(FREQ=1_000), float(second))
    assert activity.rate == 0


def test_the_rate_is_known_where_snapshots_are_rare():
    activity = Activity()
    activity.add(snapshot(FREQ=0), 0.0)
    activity.add(snapshot(FREQ=700), 35.0)
    assert activity.rate == 20


def test_a_dataset_is_seen_when_its_messages_grow():
    activity = Activity()
    activity.add(snapshot(FREQ=1, MID=1), 10.0)
    activity.add(snapshot(FREQ=2, MID=1), 20.0)
    assert activity.last_seen == {"FREQ": 20.0, "MID": 10.0}


def test_the_live_table_holds_the_first_datasets_and_the_total_of_all():
    names = [f"D{number:02}" for number in range(30)]
    text = rendered(live_table(snapshot(**dict.fromkeys(names, 7)), names, 12, {}, 0.0))
    assert "D11" in text
    assert "D12" not in text
    assert "and 18 more datasets" in text
    assert re.search(r"total +210 ", text)


def test_the_live_table_says_how_far_behind_a_dataset_is():
    behind = Snapshot(ledger={"FREQ": Counts(messages=3)}, sent={"FREQ": 10, "MID": 1})
    lines = rendered(live_table(behind, ["FREQ"], 12, {"FREQ": 0.0}, 1.0)).splitlines()
    assert lines[1].split()[-1] == "7"
    assert lines[-1].split()[-1] == "8"


def test_rows_keep_their_places_between_two_sorts():
    order = Order()
    assert order.of(snapshot(A=1, B=2), 0.0) == ["B", "A"]
    assert order.of(snapshot(A=9, B=2, C=5), 1.0) == ["B", "A", "C"]
    assert order.of(snapshot(A=9, B=2, C=5), SORT_SECONDS) == ["A", "C", "B"]


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        (b"q", "FREQ"),
        (b"\x7f", "FR"),
        (b"\x1b", ""),
        (b"\x1b[A", ""),
        (b"\x15", ""),
        (b" ;\n", "FRE"),
    ],
)
def test_keys_change_the_search(typed, text):
    assert edited("FRE", typed) == text


def test_keys_without_a_terminal_are_not_read(monkeypatch):
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: PTH123, SIM115
    keys = Keys(print)
    assert not keys.reads
    keys.close()


def in_terminal(program: str, typed: bytes) -> str:
    """What a program shows in a terminal where a user types when it is ready."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", program])
    shown = b""
    with contextlib.suppress(OSError):  # Linux: the end of the program
        while chunk := os.read(terminal, 4096):
            is_ready = READY in shown
            shown += chunk
            if READY in shown and not is_ready:
                os.write(terminal, typed)
    os.waitpid(pid, 0)
    os.close(terminal)
    return shown.decode()


def test_typing_searches_the_table_and_the_terminal_is_left_as_it_was():
    shown = in_terminal(SEARCH, b"mi")
    last = shown.rpartition("3 messages")[2]
    assert "datasets with MI" in last
    assert "MIL" in last
    assert "FREQ" not in last
    assert shown.rstrip().endswith("same")


READY = b"typing now"
SEARCH = """
import sys, termios, time
from rich.console import Console
from local.stack.progress import LiveProgress
from local.stack.snapshot import Snapshot
from local.stack.summary import Counts
before = termios.tcgetattr(0)
live = LiveProgress(Console(force_terminal=True, width=100, height=40))
live.show(Snapshot(ledger={n: Counts(messages=1) for n in ("FREQ", "MID", "MIL")}))
print("typing now", flush=True)
while live._search != "MI":
    time.sleep(0.02)
live.close()
print("same" if termios.tcgetattr(0) == before else "changed")
"""


def test_the_final_table_counts_the_datasets_it_does_not_name():
    ledger = {f"D{n}": Counts(messages=1, records=n, rows=n) for n in range(20)}
    text = rendered(final_table(ledger))
    assert "8 more" in text
    assert text.splitlines()[-1].split()[:4] == ["total", "20", "190", "190"]


def test_a_dataset_name_is_not_taken_for_markup():
    assert "[red]" in rendered(final_table({"[red]": Counts(messages=1)}))


def test_plain_lines_come_seconds_apart(capsys, monkeypatch):
    clock = iter([0.0, 1.0, 6.0, 7.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    plain = PlainProgress()
    for messages in (1, 2, 3, 4):
        plain.show(snapshot(FREQ=messages))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["1", "3"]
