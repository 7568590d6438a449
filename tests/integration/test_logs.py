"""The logs of a whole run: no payload and no secret is in any of them."""

import json
from collections.abc import Iterator

import pytest

from tests.integration.entra_fixture import SECRET, LiveIris, live_iris
from tests.integration.test_live_run import LiveRun

pytestmark = pytest.mark.integration

MARK = "payload-that-no-log-has"
GOOD = {"dataset": "FREQ", "measurementTime": "2026-05-08T00:00:15Z", "frequency": 50.0}
# A row, and each way in which a message or a record does not become one.
BODIES = {
    "FREQ/FREQ_1.json": json.dumps([GOOD | {"newField": MARK}]),
    "FREQ/FREQ_2.json": json.dumps([GOOD | {"frequency": MARK}]),
    "FREQ/FREQ_3.json": f'[{{"dataset": "{MARK}',
    "FREQ/FREQ_4.json": json.dumps([MARK, GOOD | {"measurementTime": MARK}]),
    "FREQ/FREQ_5.json": json.dumps([{MARK: MARK}]),
    "FREQ/FREQ_6.json": json.dumps({"data": MARK}),
    "REMIT/REMIT_7.json": json.dumps([{"dataset": "REMIT", "mrid": {"x": MARK}}]),
    "SYS_WARN/SYS_WARN_8.json": json.dumps(
        [{"dataset": "SYS_WARN", "publishTime": "2026-05-08T00:00Z", "text": MARK}]
    ),
    "UNKNOWN/UNKNOWN_9.json": json.dumps([{"text": MARK}]),
}


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveIris]:
    folder = tmp_path_factory.mktemp("iris")
    for name, body in BODIES.items():
        file = folder / "samples" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body)
    with live_iris(folder, "--samples", str(folder / "samples")) as live:
        yield live


@pytest.fixture(scope="module")
def texts(iris: LiveIris, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a run prints and logs, by where; it loses a session, too."""
    run = LiveRun(tmp_path_factory.mktemp("run"), **iris.settings)
    run.wait_for("ready")
    run.wait_for(f" {len(BODIES)} messages ")
    iris.queue.control("/set?refuse=true")
    iris.queue.control("/drop")
    run.wait_for("trying again")
    code, rest = run.end()
    assert run.process.stderr
    found = {"standard output": "\n".join([*run.lines, rest])}
    found["the summary"] = json.dumps(run.summary())
    for path in (run.data / "logs").iterdir():
        found[path.name] = path.read_text()
    assert f"{len(BODIES)} messages" in found["standard output"], code
    return found


@pytest.mark.parametrize("text", [MARK, SECRET], ids=["payload", "secret"])
def test_it_is_in_no_log_of_any_part(texts: dict[str, str], text: str) -> None:
    assert {"bridge.log", "pipeline.log", "bigquery.log", "pubsub.log"} <= texts.keys()
    assert [where for where, content in texts.items() if text in content] == []


def test_the_parts_have_something_to_say(texts: dict[str, str]) -> None:
    assert "bridge started" in texts["bridge.log"]
    assert "dead letters" in texts["pipeline.log"]
