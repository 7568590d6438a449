"""The drain as a scheduled job: runs that overlap, releases, a seek, its bucket."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import bigquery

from local.pubsub.google_pubsub import google_emulator_command, missing
from pipeline.command import main
from pipeline.registry import FOLDER, Registry, parse_dataset
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.faults.story_fixture import (
    ACKNOWLEDGING,
    BROKEN,
    PROJECT,
    PULLED,
    QUICK,
    ROWS_WRITTEN,
    UNKNOWN,
    Point,
    Story,
)
from tests.integration.history_fixture import registry_of
from tests.integration.pubsub_fixture import pubsub_server

pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore:The return_immediately flag"),
]

# In no test do figures matter, and Google's emulator hands out 100 at a time.
MESSAGES = 200
BUCKET = "gs://raw/raw"


@pytest.mark.promise(
    part="cloud",
    fault="two scheduled drains run at once",
    happens="each message goes to one of them",
    lost="0",
    doubled="0 in `_unified`",
    recovery="no outage",
    sees="two executions in `gcloud run jobs executions list`",
)
def test_two_drains_at_once_lose_and_show_twice_nothing(story: Story) -> None:
    first = story.drain(
        f"--max_messages={MESSAGES // 2}", point=ACKNOWLEDGING, setup=QUICK
    )
    second = story.drain(setup=QUICK)
    assert second.ended() == 0, second.log.read_text()
    assert story.ledger()["messages"] >= MESSAGES // 2
    first.go_on()
    assert first.ended() == 0, first.log.read_text()
    story.drain_until_counted()
    story.check()


@pytest.mark.promise(
    part="cloud",
    fault=(
        "a drain is killed (timeout of the job, rollback to the release before) while "
        "the next one runs"
    ),
    happens="what it held comes again within 10 s, to the next one",
    lost="0",
    doubled="0 in `_unified`; in `_iris` twice with the same `record_id`",
    recovery="the same run, or the next one",
    sees="a failed execution; the ledger is balanced",
)
def test_a_rollback_with_messages_in_flight_loses_nothing(story: Story) -> None:
    bad = story.drain(point=ROWS_WRITTEN)
    assert story.count("bmrs_freq_iris") > 0
    before = story.drain()
    bad.kill()
    assert before.ended() == 0, before.log.read_text()
    story.drain_until_counted()
    story.check()


def next_release() -> Registry:
    """A registry in which FREQ has one more column."""
    text = (FOLDER / "FREQ.yaml").read_text()
    column = "  - {name: area, type: STRING, description: Of a later release.}"
    text = text.replace("columns:\n", f"columns:\n{column}\n")
    return Registry([parse_dataset("FREQ.yaml", text)])


@pytest.mark.promise(
    part="cloud",
    fault="`sql apply` of a new release, while a drain of the old one writes",
    happens="the old one writes on, without the new columns",
    lost="0",
    doubled="0",
    recovery="no outage",
    sees="`1 extended` in the answer of `sql apply`",
)
def test_a_drain_writes_on_while_the_tables_of_a_new_release_are_applied(
    story: Story, client: bigquery.Client, dataset: str
) -> None:
    drain = story.drain(f"--max_messages={MESSAGES // 2}", point=PULLED, setup=QUICK)
    registry = next_release()
    made = apply_tables(client, dataset, list(all_tables(registry)), "EU")
    assert made.extended == {"bmrs_freq_iris": ["area"]}
    assert apply_views(client, dataset, registry).conflicts == []
    drain.go_on()
    assert drain.ended() == 0, drain.log.read_text()
    # And the release before starts on tables that are ahead of it.
    story.drain_until_counted()
    story.check()
    assert story.count("bmrs_freq_iris") == story.count("bmrs_freq_unified")
    assert story.asked("SELECT COUNT(area) AS n FROM bmrs_freq_unified") == {"n": 0}


@pytest.fixture
def keeping(
    client: bigquery.Client,
    dataset: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Story]:
    """A story on Google's emulator, which keeps what was acknowledged."""
    if google_emulator_command("", 0) is None:
        pytest.skip(missing())
    apply_views(client, dataset, registry_of("FREQ"))
    with pubsub_server("google", tmp_path / "pubsub") as pubsub:
        story = Story(client, dataset, pubsub, tmp_path, monkeypatch, MESSAGES)
        yield story
        story.end()


@pytest.mark.promise(
    part="cloud",
    fault="the subscription is set back (`seek`) over acknowledged messages",
    happens="all come again and are written again",
    lost="0",
    doubled=(
        "0 in `_unified`; in `_iris` twice with the same `record_id`, and in the ledger"
    ),
    recovery="the next drains",
    sees="`duplicates` in `sql check`, `sql compact` removes them",
)
def test_after_a_seek_all_come_again_and_the_view_shows_them_once(
    keeping: Story,
) -> None:
    story = keeping
    story.drain_until_counted()
    story.check()
    rows = story.count("bmrs_freq_iris")
    with story.clients() as clients:
        clients.subscriber.seek(
            request={"subscription": story.subscription, "time": story.began}
        )
    # One that goes on: the emulator gives messages to pulls that a client has ended.
    drain = story.drain("--every=1s", setup=QUICK)
    drain.wait_until(lambda: story.ledger()["messages"] >= 2 * story.sent)
    drain.process.terminate()
    assert drain.ended() == 0, drain.log.read_text()
    story.check()
    # BigQuery drops a row that comes again within about a minute.
    assert rows <= story.count("bmrs_freq_iris") <= 2 * rows


# The drain finds `gs://` in a folder, until a file says that it is away.
BUCKETS = """
import pytest
from google.api_core.exceptions import ServiceUnavailable
from pathlib import Path
from tests.integration import bucket_fixture
create = bucket_fixture.Buckets.create
def refusing(buckets, path, *arguments, **options):
    if Path({root!r}, "away").exists():
        raise ServiceUnavailable("the bucket is away")
    return create(buckets, path, *arguments, **options)
bucket_fixture.Buckets.create = refusing
bucket_fixture.serve_buckets(pytest.MonkeyPatch(), Path({root!r}))
"""


@pytest.mark.promise(
    part="cloud",
    fault="the bucket of the raw archive is away",
    happens=(
        "rounds fail, and their messages come again; no rows are written before the "
        "bucket is there"
    ),
    lost="0",
    doubled="0 in `_unified`; in `_iris` the rows of the first of these rounds",
    recovery="the next round, after 1 to 60 s; the next drain",
    sees="`a round of N messages failed; the messages come again`, exit code 1",
)
def test_without_the_bucket_no_message_is_acknowledged(story: Story) -> None:
    story.archive = BUCKET
    root = story.folder / "buckets"
    away = root / "away"
    root.mkdir()
    setup = QUICK + BUCKETS.format(root=str(root))
    drain = story.drain("--every=1s", point=PULLED, setup=setup)
    away.touch()
    drain.go_on()
    drain.wait_until(lambda: drain.log.read_text().count("messages failed") >= 3)
    _, *later = re.findall("messages failed.*", drain.log.read_text())
    assert all(f"{BUCKET} cannot be written" in line for line in later)
    assert story.ledger()["messages"] == 0
    away.unlink()
    drain.wait_until(lambda: story.ledger()["messages"] >= MESSAGES)
    drain.process.terminate()
    assert drain.ended() == 0, drain.log.read_text()
    story.archive = str(root / "raw")
    story.check()


# Four rounds, whose files of the hour are merged at the end.
ROUNDS = f"""
from pipeline import drain
from pipeline.files import raw_archive
drain.MAX_MESSAGES, raw_archive.MAX_PARTS = {MESSAGES // 4}, 2
"""
MERGED = Point(
    "pipeline.files.raw_archive.remove", before=True, if_="len(arguments[0]) > 1"
)
MERGING = Point("pipeline.files.raw_archive.copy_messages", before=False)


@pytest.mark.promise(
    part="cloud",
    fault="a drain is killed while it merges files of the raw archive",
    happens="the merged file is there whole or not at all, its parts are still there",
    lost="0",
    doubled="messages of the raw archive; `--files` counts them as duplicates",
    recovery="none is needed",
    sees="nothing",
)
@pytest.mark.parametrize("point", [MERGING, MERGED], ids=["writing", "removing"])
def test_an_archive_whose_merge_was_killed_gives_each_record_once(
    story: Story, client: bigquery.Client, dataset: str, point: Point
) -> None:
    drain = story.drain(point=point, setup=ROUNDS)
    drain.kill()
    story.check()
    files = list(Path(story.archive).rglob("FREQ/*/*.avro"))
    assert len(files) >= (4 if point is MERGING else 5)
    restored = f"{dataset}_restored"
    apply_tables(client, restored, list(all_tables(registry_of("FREQ"))), "EU")
    where = [f"--project={PROJECT}", f"--dataset={restored}"]
    assert main([f"--files={story.archive}", *where]) == 0
    records = 2 * (MESSAGES - BROKEN - UNKNOWN)
    (row,) = client.query_and_wait(
        "SELECT COUNT(*) AS found, COUNT(DISTINCT record_id) AS records"
        f" FROM {restored}.bmrs_freq_iris"
    )
    assert (row.found, row.records) == (records, records)
