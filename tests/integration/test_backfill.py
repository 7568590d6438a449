"""Backfill from a server that behaves like Elexon's, into a real Pub/Sub."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.backfill.download import MAX_ATTEMPTS
from local.data_folder import DataFolder
from tests.integration.archive_fixture import Archive, archive_server, fill
from tests.integration.backfill_fixture import DAY, UPLOADED, Backfill, row
from tests.integration.bridge_fixture import (
    DEADLINE_SECONDS,
    TOPIC,
    PubSub,
    wait_until,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def archive() -> Iterator[Archive]:
    with archive_server() as served:
        yield served


@pytest.fixture
def backfill(tmp_path: Path, archive: Archive, shared_pubsub: PubSub) -> Backfill:
    return Backfill(tmp_path, archive, shared_pubsub)


def test_every_message_of_the_span_arrives_unchanged_whatever_the_network_does(
    backfill: Backfill, archive: Archive, shared_pubsub: PubSub, samples: list[Path]
) -> None:
    archive.page_blobs = 5
    bodies = fill(archive, samples, UPLOADED)
    archive.put("FREQ", "before.json", b"[1]", "2026-05-05T23:59:59Z")
    archive.put("FREQ", "after.json", b"[1]", "2026-05-07T00:00:00Z")
    first, second, third, fourth, *_ = (
        f"/iris-archive/data/{x.parent.name}/{x.name}" for x in samples
    )
    archive.faults[first] = [500, "truncate", "drop"]
    archive.faults[second] = [(429, {"Retry-After": "1"})]
    archive.faults[third] = ["truncate"]
    archive.faults["/iris-archive"] = [503]
    archive.faults[fourth] = [404]

    out, err = backfill.run(*DAY, code=1)
    assert row(out, "total")[0] == str(len(bodies))
    assert f"{samples[3].name}: HTTP 404" in err
    assert [
        asked.headers["Range"]
        for asked in archive.asked
        if asked.path == third and "Range" in asked.headers
    ] == [f"bytes={samples[2].stat().st_size // 2}-"]

    refused, tried = (x.seconds for x in archive.asked if x.path == second)
    assert tried - refused >= 1  # as its Retry-After says

    archive.asked.clear()
    backfill.run(*DAY)  # what was gone is tried again, and nothing else
    assert [path for path in archive.fetches() if "data" in path] == [fourth]

    messages = shared_pubsub.pull(len(bodies))
    assert {x.attributes["message_id"]: x.data for x in messages} == bodies
    assert len(messages) == len(bodies)
    one = next(x for x in messages if x.attributes["message_id"] == samples[0].name)
    assert dict(one.attributes) == {
        "dataset": samples[0].parent.name,
        "message_id": samples[0].name,
        "publish_id": samples[0].name,
        "source": "IRIS_ARCHIVE",
    }

    archive.asked.clear()
    assert "nothing to do" in backfill.run(*DAY)[1]
    assert not archive.asked
    backfill.run(*DAY, "--again")
    assert len(shared_pubsub.pull(len(bodies))) == len(bodies)


def test_only_the_datasets_asked_for_and_nothing_at_all_on_a_dry_run(
    backfill: Backfill, archive: Archive, shared_pubsub: PubSub
) -> None:
    for dataset in ("FREQ", "MID", "BOALF"):
        archive.put(dataset, f"{dataset}_1.json", b"[1]", UPLOADED)
    out, _ = backfill.run(
        *DAY, "--iris-dataset", "FREQ", "--iris-dataset", "MID", "--dry-run"
    )
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["FREQ", "1"],
        ["MID", "1"],
        ["total", "2"],
    ]
    assert not [path for path in archive.fetches() if "data" in path]
    backfill.run(*DAY, "--iris-dataset", "FREQ", "--iris-dataset", "MID")
    ids = {x.attributes["message_id"] for x in shared_pubsub.pull(2)}
    assert ids == {"FREQ_1.json", "MID_1.json"}


def test_killed_and_stopped_in_the_middle_it_goes_on_where_it_was(
    backfill: Backfill, archive: Archive, shared_pubsub: PubSub
) -> None:
    count = 900
    ids = {f"FREQ_202605060231_{number}.json" for number in range(count)}
    for name in ids:
        archive.put("FREQ", name, b'[{"dataset":"FREQ"}]', UPLOADED)
    journals = backfill.folder / ".gb-iris/backfill"

    def published() -> int:
        lines = [path.read_text().splitlines() for path in journals.glob("*")]
        return len(lines[0]) - 1 if lines else 0

    options = (*DAY, "--rate", "400")
    process = backfill.start(*options)
    wait_until(lambda: published() > 100)
    process.kill()
    process.communicate()
    left = count - published()

    archive.asked.clear()
    process = backfill.start(*options)
    wait_until(lambda: published() > count - left + 100)
    archive.stop()  # the server goes away and comes back
    settled = published()
    archive.start()
    _, err = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 0, err
    assert settled < count

    messages = shared_pubsub.pull(count)
    assert {x.attributes["message_id"] for x in messages} == ids
    # Published twice is at most the batch that was under way, fetched twice what the
    # server dropped.
    assert len(messages) - count < 300
    assert len([path for path in archive.fetches() if "data" in path]) <= left
    assert sum(archive.fetches().values()) <= left + 1 + 2 * 8


def test_interrupted_it_finishes_what_is_in_flight(
    backfill: Backfill, archive: Archive, shared_pubsub: PubSub
) -> None:
    ids = {f"INDO_{number}.json" for number in range(400)}
    for name in ids:
        archive.put("INDO", name, b"[1]", UPLOADED)
    process = backfill.start(*DAY, "--rate", "200")
    wait_until(lambda: len(archive.asked) > 50)
    process.terminate()
    out, err = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 130
    assert "to continue" in err
    first = {
        x.attributes["message_id"]
        for x in shared_pubsub.pull(int(row(out, "INDO")[-1]))
    }
    backfill.run(*DAY, "--rate", "5000")
    second = {
        x.attributes["message_id"] for x in shared_pubsub.pull(len(ids) - len(first))
    }
    assert first | second == ids
    assert not first & second


def test_it_gives_up_in_one_line_when_nothing_succeeds(
    backfill: Backfill, archive: Archive
) -> None:
    archive.every = 503
    _, err = backfill.run(*DAY, "--patience", "1", code=1)
    assert err.splitlines()[-1] == (
        "gave up: nothing succeeded for 1 s: HTTP 503 Service Unavailable; "
        "run the same command again to continue"
    )


def test_without_a_network_its_first_line_says_so(backfill: Backfill) -> None:
    away = ("--archive", "https://archive.invalid/iris-archive")
    _, err = backfill.run(*DAY, *away, "--patience", "1", code=1)
    assert err.splitlines()[0] == (
        "no network: archive.invalid:443 cannot be found by its name; trying again for "
        "1 s (--patience), Ctrl-C stops"
    )
    assert err.splitlines()[-1].startswith("gave up: nothing succeeded for 1 s: ")


def test_a_proxy_that_does_not_answer_is_named_first(backfill: Backfill) -> None:
    backfill.environment["HTTPS_PROXY"] = "http://127.0.0.1:1"
    away = ("--archive", "https://archive.invalid/iris-archive")
    _, err = backfill.run(*DAY, *away, "--patience", "0", code=1)
    assert err.startswith("no network: the proxy 127.0.0.1:1 refuses the connection; ")


def test_a_page_of_the_listing_that_fails_while_messages_come_ends_it_in_one_line(
    backfill: Backfill, archive: Archive, shared_pubsub: PubSub
) -> None:
    ids = {f"INDO_{number}.json" for number in range(20)}
    for name in ids:
        archive.put("INDO", name, b"[2]", UPLOADED)
    archive.page_blobs = 10
    busy = (503, {"Retry-After": "1"})
    archive.faults["/iris-archive"] = [None, *[busy] * MAX_ATTEMPTS]
    out, err = backfill.run(*DAY, code=1)
    assert row(out, "INDO")[0] == "10"
    assert err.splitlines()[-1] == (
        "gave up: the archive does not list: failed 8 times: "
        "HTTP 503 Service Unavailable; run the same command again to continue"
    )
    backfill.run(*DAY)
    assert {x.attributes["message_id"] for x in shared_pubsub.pull(len(ids))} == ids


def test_a_gap_from_the_api_is_one_message_a_slice(
    backfill: Backfill, archive: Archive, shared_pubsub: PubSub
) -> None:
    times = [f"2026-05-06T{hour:02}:30:00Z" for hour in range(0, 24, 6)]
    archive.api["SYSWARN"] = [(x, {"dataset": "SYS_WARN", "at": x}) for x in times]
    archive.api_max_hours = 12
    options = ("--from", "2026-05-05", "--to", "2026-05-07", "--via", "api")
    backfill.run(*options, "--iris-dataset", "SYS_WARN")
    messages = shared_pubsub.pull(2)
    assert {x.attributes["message_id"] for x in messages} == {
        "API_SYS_WARN_20260506T000000Z_20260506T120000Z",
        "API_SYS_WARN_20260506T120000Z_20260507T000000Z",
    }
    records = [record for x in messages for record in json.loads(x.data)]
    assert sorted(record["at"] for record in records) == times
    assert {x.attributes["source"] for x in messages} == {"INSIGHTS_API"}
    assert {x.attributes["dataset"] for x in messages} == {"SYS_WARN"}

    _, err = backfill.run(*options, "--iris-dataset", "ISPSTACK", code=2)
    assert err == (
        "python -m bridge backfill: --iris-dataset: the API does not have ISPSTACK in "
        "the form of IRIS: use --via archive\n"
    )


def test_the_local_command_publishes_to_what_runs_in_its_folder(
    backfill: Backfill, archive: Archive, shared_pubsub: PubSub, samples: list[Path]
) -> None:
    bodies = fill(archive, samples, UPLOADED)
    backfill.local = True
    _, err = backfill.run(*DAY, code=2)
    assert "nothing is up in" in err
    data = DataFolder(backfill.folder)
    addresses = {
        "PUBSUB_EMULATOR_HOST": shared_pubsub.host,
        "PUBSUB_TOPIC": TOPIC,
        "BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:1",  # nobody is asked
    }
    with data.owned():
        data.write_state("make up", addresses)
        backfill.run(*DAY)
        _, err = backfill.run(*DAY)
    assert "nothing to do" in err
    messages = shared_pubsub.pull(len(bodies))
    assert {x.attributes["message_id"]: x.data for x in messages} == bodies
    assert (backfill.folder / "backfill").is_dir()
    assert not (backfill.folder / ".gb-iris").exists()
