"""The demo's invented market and the live feed never share tables."""

import json
from pathlib import Path

import pytest

from bridge.progress import Progress
from bridge.settings import Settings
from command.usage import UsageError
from local.data_folder import DataFolder
from local.stack.mixture import refuse_mixture
from local.stack.plan import Plan

TOPIC = "projects/p/topics/iris"
LIVE = Settings("iris.0001", TOPIC, client_id="c")
SIMULATOR = Settings(
    "iris",
    TOPIC,
    connection_string="Endpoint=sb://localhost:5672;SharedAccessKeyName=simulator;"
    "SharedAccessKey=simulator;UseDevelopmentEmulator=true;",
)
READ = {"FREQ": "2026-05-08T00:00:00.000Z"}


def plan_of(folder: Path, *, is_demo: bool, samples: Path | None = None) -> Plan:
    return Plan(DataFolder(folder), "make run-local", samples, simulator=is_demo)


def bridge_state(folder: Path, queue: Settings, published: dict[str, str]) -> None:
    progress = Progress(queue.source, max(published.values(), default=""), published)
    (folder / "bridge-state.json").write_text(progress.to_json())


def test_the_live_feed_is_refused_where_the_demo_was(tmp_path: Path) -> None:
    (tmp_path / "demo-feed.json").write_text(json.dumps({"sent_until": 0, "seed": 1}))
    bridge_state(tmp_path, SIMULATOR, READ)
    refuse_mixture(plan_of(tmp_path, is_demo=True))
    with pytest.raises(UsageError, match=r"rows of the demo.*add DATA=\.live"):
        refuse_mixture(plan_of(tmp_path, is_demo=False))


@pytest.mark.parametrize("name", ["bridge-state.json", "bridge-state-iris.0001.json"])
def test_the_demo_is_refused_where_the_live_feed_was(tmp_path: Path, name: str) -> None:
    bridge_state(tmp_path, LIVE, READ)
    (tmp_path / "bridge-state.json").rename(tmp_path / name)
    refuse_mixture(plan_of(tmp_path, is_demo=False))
    refuse_mixture(plan_of(tmp_path, is_demo=True, samples=tmp_path))
    with pytest.raises(UsageError, match=r"live feed \(iris.0001 at .*add DATA=\.demo"):
        refuse_mixture(plan_of(tmp_path, is_demo=True))


def test_a_feed_that_was_never_read_is_in_nobodys_way(tmp_path: Path) -> None:
    for is_demo in (True, False):
        refuse_mixture(plan_of(tmp_path / "new", is_demo=is_demo))
    bridge_state(tmp_path, LIVE, {})
    refuse_mixture(plan_of(tmp_path, is_demo=True))
    (tmp_path / "bridge-state.json").write_text("{")
    refuse_mixture(plan_of(tmp_path, is_demo=True))
