"""A bridge that was away for longer than IRIS keeps messages says what to do."""

import json
import re
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.bridge_fixture import (
    Bridge,
    PubSub,
    Simulator,
    bridge_of,
    running,
    wait_until,
    write_samples,
)

pytestmark = pytest.mark.integration

DATASETS = ("FREQ", "MID", "SYS_WARN")
AWAY = timedelta(days=4)


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    write_samples(tmp_path / "samples", 1)
    with running(Simulator("--samples", str(tmp_path / "samples"))) as server:
        yield server


def put(simulator: Simulator, *datasets: str) -> None:
    for dataset in datasets:
        simulator.put(b"[]", f"{dataset}_{id(datasets)}.json", dataset)


def warnings(bridge: Bridge) -> list[str]:
    return [x["message"] for x in bridge.lines if x["level"] == "warning"]


def moved(moment: str) -> str:
    return (datetime.fromisoformat(moment) - AWAY).isoformat()


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {"published": {}}


def test_after_an_absence_of_four_days_it_warns_and_names_the_command(
    simulator: Simulator, pubsub: PubSub, tmp_path: Path
) -> None:
    state = tmp_path / ".gb-iris/bridge-state.json"
    put(simulator, *DATASETS)
    with bridge_of(simulator, pubsub, tmp_path) as bridge:
        # Written while it runs: a kill finds it at most a few seconds old.
        wait_until(lambda: set(read(state)["published"]) == set(DATASETS))
        assert bridge.end(signal.SIGKILL) == -signal.SIGKILL
    assert warnings(bridge) == []

    content = read(state)
    content["read_until"] = moved(content["read_until"])
    published = content["published"]
    content["published"] = {name: moved(text) for name, text in published.items()}
    state.write_text(json.dumps(content))
    put(simulator, "FREQ", "MID", "NEW")  # what was left; SYS_WARN is a rare one

    with bridge_of(simulator, pubsub, tmp_path) as bridge:
        wait_until(lambda: len(warnings(bridge)) == 3)
        put(simulator, "SYS_WARN", "FREQ")
        wait_until(lambda: bridge.metric("completed_total") == 5)
        assert bridge.end() == 0
    summary, *others = warnings(bridge)
    start = datetime.fromisoformat(content["read_until"]) - timedelta(minutes=10)
    assert f"backfill --from {start:%Y-%m-%dT%H:%M:%SZ} --to 20" in summary
    assert [re.split(":| ", text)[0] for text in sorted(others)] == ["FREQ", "MID"]

    place = "/proc/none/state.json"  # not even root can write there
    with bridge_of(simulator, pubsub, tmp_path, IRIS_STATE_FILE=place) as bridge:
        put(simulator, *DATASETS)
        wait_until(lambda: bridge.metric("completed_total") == len(DATASETS))
        wait_until(lambda: warnings(bridge))
        assert bridge.end() == 0  # after a last try to save
    assert len(warnings(bridge)) == 1
    assert warnings(bridge)[0].startswith(f"IRIS_STATE_FILE: cannot write {place}")
