"""What a user sees of a run."""

from rich.console import Console

from local.stack import progress
from local.stack.progress import Activity, PlainProgress, active_table, final_table
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


def test_the_live_table_holds_the_most_recent_datasets():
    names = [f"D{number:02}" for number in range(30)]
    seen = {name: float(number) for number, name in enumerate(names)}
    text = rendered(active_table(snapshot(**dict.fromkeys(names, 7)), seen, 30.0))
    assert "D29" in text
    assert "D05" not in text
    assert "and 18 more datasets" in text


def test_the_live_table_says_how_far_behind_a_dataset_is():
    behind = Snapshot(ledger={"FREQ": Counts(messages=3)}, sent={"FREQ": 10})
    assert rendered(active_table(behind, {"FREQ": 0.0}, 1.0)).split()[-1] == "7"


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
