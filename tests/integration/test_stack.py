"""The whole system on this machine, as a user starts it."""

import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import date, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest

from local.__main__ import main
from local.bigquery import emulator
from local.ports import private_port
from local.pubsub.google_pubsub import google_emulator_command, missing
from local.simulator.demo import SEED
from local.simulator.sample_folder import SampleFolder
from local.simulator.sent_until import SentUntil
from local.stack.monitor import read_metrics
from pipeline import registry
from pipeline.files.avro import read_messages
from pipeline.registry import load_registry
from tests.integration.bigquery_fixture import running_bigquery
from tests.integration.bridge_fixture import (
    DEADLINE_SECONDS,
    wait_until,
    write_samples,
)

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "local" / "samples"
BEHIND_PROXY = {
    **dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:1"),
    **dict.fromkeys(("no_proxy", "NO_PROXY"), ""),
}
STACK = [sys.executable, "-m", "local", "stack"]
# 10 to 25 s alone on two cores.
RUN_SECONDS = 120
# AMQP, Pub/Sub, BigQuery and its gRPC, the bridge's health.
USUAL_PORTS = (5672, 8085, 9050, 9060, 8080)
# The timetable of the demo has something for every minute or two.
RECENT_SECONDS = 180
# What a developer's shell may have set, and a test must not see.
VARIABLES = (
    "SAMPLES",
    "UNTIL",
    "DATA",
    "PUBSUB",
    "MODE",
    "ARCHIVE",
    "DASHBOARD",
    "SQL",
    "HEALTH_PORT",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("stack data")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in (*VARIABLES, *(name for name in os.environ if name[:5] == "IRIS_")):
        monkeypatch.delenv(name, raising=False)


def stack(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*STACK, *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )


def query(data: Path, sql: str) -> list[dict]:
    command = [sys.executable, "-m", "local", "query", "--data", str(data), sql]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def summary_of(data: Path) -> dict:
    return json.loads((data / "run-summary.json").read_text())


def wait_until_gone(data: Path) -> None:
    """Waits: the processes of the folder may take a moment to end."""
    deadline = time.monotonic() + 10
    while left := processes_of(data):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def processes_of(data: Path) -> dict[int, str]:
    """Command lines, by pid, of processes that name the folder or work in it."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            folder = str((process / "cwd").readlink())
        except OSError:  # it has ended
            continue
        if str(data) in line + folder:
            found[int(process.name)] = line
    return found


def pids_of(data: Path, command: str) -> list[int]:
    lines = processes_of(data)
    return [
        pid
        for pid, line in lines.items()
        if command in line and "launcher.py" not in line
    ]


def child_of(parent: int, command: str) -> int:
    """The process of a part."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            status = (process / "status").read_text()
            if command in line and f"\nPPid:\t{parent}\n" in status:
                return int(process.name)
    raise AssertionError(f"no {command} runs")


@pytest.fixture(scope="module")
def services(data):
    done = stack("up", "--data", str(data), "--pubsub", "embedded")
    assert done.returncode == 0, done.stderr
    yield
    stack("down", "--data", str(data))


@pytest.fixture(scope="module")
def stopped(data, services):
    done = stack("down", "--data", str(data))
    assert (done.returncode, done.stderr) == (0, "")
    assert "stopped" in done.stdout
    wait_until_gone(data)


def test_up_prints_the_addresses_of_services_that_work(data, services):
    done = stack("env", "--data", str(data))
    assert (done.returncode, done.stderr) == (0, "")
    addresses = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert addresses["PUBSUB_TOPIC"] == "projects/gb-iris/topics/iris-messages"
    assert addresses["IRIS_QUEUE_NAME"] == "iris"
    assert addresses["IRIS_CONNECTION_STRING"].startswith("Endpoint=sb://")
    for name in ("PUBSUB_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST"):
        host, port = addresses[name].removeprefix("http://").split(":")
        socket.create_connection((host, int(port)), timeout=5).close()
    assert query(data, "SELECT COUNT(*) AS n FROM bmrs_freq_iris") == [{"n": 0}]


def test_an_address_is_printed_with_the_way_past_a_proxy(data, services):
    """For the user's own programs: Google's libraries would ask the proxy."""
    printed = stack(
        "env", "--data", str(data), **BEHIND_PROXY | {"no_proxy": "a.example"}
    )
    lines = printed.stdout.splitlines()
    direct = "a.example,127.0.0.1,localhost"
    assert {f"no_proxy={direct}", f"NO_PROXY={direct}"} <= set(lines)


def test_a_check_of_a_new_installation_only_warns(data, services):
    command = [sys.executable, "-m", "local", "check", "--data", str(data)]
    done = subprocess.run(
        [*command, "--format", "json"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "warn"
    registry = load_registry()
    cadenced = {each.name for each in registry.values() if each.cadence_seconds}
    warned = {
        (result["check"], result["dataset"])
        for result in document["results"]
        if result["status"] == "warn"
    }
    assert warned == {("freshness", name) for name in cadenced}


# SIGTERM instead of Ctrl-C, which a test in the background would not receive.
@pytest.mark.parametrize("part", ["stack serve", "local pubsub"])
def test_up_that_is_ended_while_it_starts_leaves_nothing(tmp_path, part):
    command = [*STACK, "up", "--data", str(tmp_path), "--pubsub", "embedded"]
    up = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def started() -> list[int]:
        assert up.poll() is None
        return pids_of(tmp_path, part)

    wait_until(started, RUN_SECONDS)
    up.terminate()
    up.communicate(timeout=RUN_SECONDS)
    assert up.returncode == 130
    assert not (tmp_path / "logs" / "tables.log").exists(), "it made tables first"
    wait_until_gone(tmp_path)


def test_up_again_changes_nothing(data, services):
    done = stack("up", "--data", str(data))
    assert done.returncode == 0
    assert "already up" in done.stdout


def test_a_run_on_the_data_of_services_that_are_up_is_refused(data, services):
    done = stack("run", "--data", str(data))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "make down" in done.stderr


@contextlib.contextmanager
def usual_ports_taken():
    with contextlib.ExitStack() as taken:
        for port in USUAL_PORTS:
            with contextlib.suppress(OSError):  # it is taken already
                taken.enter_context(socket.create_server(("0.0.0.0", port)))
        yield


def test_addresses_stay_the_same_over_down_and_up(tmp_path):
    """So that a shell that has loaded them need not load them again."""
    found = []
    with usual_ports_taken():  # another test could take them between down and up
        for _ in range(2):
            up = stack("up", "--data", str(tmp_path), "--pubsub", "embedded")
            assert up.returncode == 0, up.stderr
            found.append(stack("env", "--data", str(tmp_path)).stdout)
            stack("down", "--data", str(tmp_path))
    assert found[0]
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def drained(data, stopped):
    """A run over the shipped samples while the usual ports are taken.

    It is behind a proxy, as in the network of a company, that reaches no loopback.
    """
    with usual_ports_taken():
        samples = ["--samples", str(SAMPLES), "--until", "drained"]
        return stack("run", *samples, "--data", str(data), **BEHIND_PROXY)


def test_every_sample_is_accounted_for(data, drained):
    assert drained.returncode == 0, drained.stdout + drained.stderr
    summary = summary_of(data)
    sent = {name: len(ids) for name, ids in SampleFolder(SAMPLES).messages.items()}
    assert summary["balanced"] is True
    assert summary["messages"] == sum(sent.values())
    assert {n: c["messages"] for n, c in summary["datasets"].items()} == sent
    assert summary["rows"] == summary["records"] > 0
    delays = summary["delays"]["total"]
    assert delays["newest_event_utc"] > "2026-05-"
    assert 0 < delays["to_row_seconds_mean"] <= delays["to_row_seconds_max"] < 300
    assert delays["to_pubsub_seconds_max"] is not None
    assert "balanced" in drained.stdout
    assert f" DATA='{data}'\n" in drained.stdout  # as a shell reads it
    wait_until_gone(data)


def test_every_value_of_every_sample_is_in_its_table(data, drained):
    with running_bigquery(data) as host:
        client = emulator.connect(host)
        for file in SAMPLES.glob("*/*.json"):
            dataset = load_registry()[file.parent.name]
            rows = list(client.query_and_wait(f"SELECT * FROM {dataset.table}"))
            assert {row["message_id"] for row in rows} == {file.name}
            found = [{name: plain(v) for name, v in row.items()} for row in rows]
            for record in json.loads(file.read_text()):
                assert any(record.items() <= row.items() for row in found), record
            assert len(found) == len(json.loads(file.read_text()))


def plain(value: object) -> object:
    """A value of a row as in the sample: times end in Z, without a fraction."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat() if isinstance(value, date) else value


def test_samples_of_another_month_owe_nothing(data, drained):
    command = [sys.executable, "-m", "local", "check", "--data", str(data)]
    done = subprocess.run(
        [*command, "--format", "json"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    results = json.loads(done.stdout)["results"]
    assert {r["check"] for r in results if r["status"] == "warn"} == {"freshness"}


def test_ctrl_c_ends_a_run_with_its_summary(data, drained):
    """The same folder again: only this run is counted, and all of it is stopped."""
    archive = ["--archive", str(data / "raw")]
    command = [*STACK, "run", "--samples", str(SAMPLES), "--data", str(data)]
    command += ["--mode", "drain", *archive]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for line in run.stdout:
        if line.startswith("ready"):
            break
    messages = len(list(SAMPLES.glob("*/*.json")))
    wait_for_messages(data, 2 * messages)
    run.send_signal(signal.SIGINT)
    rest = run.communicate(timeout=RUN_SECONDS)[0]
    assert run.returncode == 0, rest
    summary = summary_of(data)
    assert (summary["balanced"], summary["messages"]) == (True, messages)
    kept = [
        (message.dataset, message.message_id)
        for path in (data / "raw").rglob("*.avro")
        for message in read_messages(io.BytesIO(path.read_bytes()), path.name)
    ]
    sent = SampleFolder(SAMPLES).messages.items()
    assert sorted(kept) == sorted((name, file) for name, ids in sent for file in ids)
    wait_until_gone(data)


def test_a_part_that_dies_ends_a_run_until_drained(tmp_path):
    command = [*STACK, "run", "--data", str(tmp_path), "--pubsub", "embedded"]
    command += ["--samples", str(SAMPLES), "--until", "drained", "--rate", "0.1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    run = subprocess.Popen(command, cwd=ROOT, text=True, **pipes)
    pids = wait_until(lambda: pids_of(tmp_path, "local pubsub"), RUN_SECONDS)
    os.kill(pids[0], signal.SIGKILL)
    shown, complaint = run.communicate(timeout=RUN_SECONDS)
    assert run.returncode == 1
    assert "failed" in shown
    assert "Pub/Sub ended with exit code -9" in complaint
    assert "Pub/Sub" in summary_of(tmp_path)["failure"]
    wait_until_gone(tmp_path)


@pytest.mark.promise(
    part="one machine",
    fault="any part is killed",
    happens="it is started again, at most five times in ten minutes",
    lost=(
        "0; with `PUBSUB=google` what it had in memory, with `MODE=streaming` "
        "the last seconds"
    ),
    doubled="0 in `_unified`",
    recovery="1 to 16 s and its start",
    sees="`PART ended with exit code N: started again`",
)
def test_parts_that_die_are_started_again_and_nothing_is_lost(tmp_path):
    """Each of the six, one after another, while messages come."""
    command = [*STACK, "run", "--data", str(tmp_path), "--pubsub", "embedded"]
    command += ["--samples", str(SAMPLES), "--rate", "0.5"]
    parts = {
        "bridge": "-m bridge",
        "Pub/Sub": "local pubsub",
        "pipeline": "-m pipeline",
        "BigQuery": "patched_server",
        "IRIS simulator": "local simulator",
        "dashboard": "-m dashboard",
    }
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE) as run:
        wait_for_line(run, "ready; stop with Ctrl-C")
        for part, process in parts.items():
            os.kill(child_of(run.pid, process), signal.SIGKILL)
            line = wait_for_line(run, f"{part} ended with exit code -9")
            assert "started again" in line
        wait_for_datasets(tmp_path, set(SampleFolder(SAMPLES).messages))
        run.send_signal(signal.SIGINT)
        end = run.communicate(timeout=RUN_SECONDS)[0]
    assert run.returncode == 0, end
    assert "started again after their end: bridge (1), Pub/Sub (1)" in end
    summary = summary_of(tmp_path)
    assert (summary["balanced"], summary["failure"]) == (True, None)
    assert summary["restarts"] == dict.fromkeys(parts, 1)
    assert (
        "restart: it ended with exit code -9"
        in (tmp_path / "logs" / "bridge.log").read_text()
    )
    wait_until_gone(tmp_path)


def test_a_run_serves_the_dashboard_and_ends_it(tmp_path):
    command = [*STACK, "run", "--data", str(tmp_path), "--pubsub", "embedded"]
    command += ["--samples", str(SAMPLES)]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE) as run:
        said = wait_for_line(run, "dashboard: http://")
        address = said.partition("dashboard: ")[2].strip()
        with urllib.request.urlopen(f"{address}/now") as page:
            assert "Generation by fuel" in page.read().decode()
        run.send_signal(signal.SIGINT)
        end = run.communicate(timeout=RUN_SECONDS)[0]
    assert run.returncode == 0, end
    wait_until_gone(tmp_path)


@pytest.mark.promise(
    part="one machine",
    fault="Ctrl-C with a backlog in Pub/Sub",
    happens="the pipeline writes it, for 30 s at most (`PUBSUB=google`: 3 minutes)",
    lost="0; with `PUBSUB=google` what is left after that",
    doubled="0",
    recovery="the next run goes on with what is left",
    sees=(
        "`wait in Pub/Sub: N messages`, or how many are lost and the backfill; "
        "`NOT BALANCED`"
    ),
)
@pytest.mark.parametrize("kind", ["embedded", "google"])
def test_ctrl_c_writes_what_waits_in_pubsub_before_the_run_ends(
    kind, tmp_path, monkeypatch
):
    """The pipeline stands still until then, so that all messages wait."""
    if kind == "google" and google_emulator_command("", 0) is None:
        pytest.skip(f"Google's emulator is not installed: {missing()}")
    count = len(write_samples(tmp_path / "samples", 3_000))
    data = tmp_path / "data"
    command = [*STACK, "run", "--data", str(data), "--pubsub", kind]
    command += ["--samples", str(tmp_path / "samples"), "--rate", "1000"]
    health = f"{private_port()}"
    monkeypatch.setenv("HEALTH_PORT", health)
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE) as run:
        wait_for_line(run, "ready; stop with Ctrl-C")
        pipeline = child_of(run.pid, "-m pipeline")
        os.kill(pipeline, signal.SIGSTOP)
        wait_until(lambda: published(health) == count)
        run.send_signal(signal.SIGINT)
        wait_for_line(run, "finishing what is in flight and in Pub/Sub")
        os.kill(pipeline, signal.SIGCONT)
        end = run.communicate(timeout=RUN_SECONDS)[0]
    assert run.returncode == 0, end
    summary = summary_of(data)
    assert (summary["messages"], summary["balanced"]) == (count, True)
    assert (summary["waiting"], summary["lost"]) == (0, 0)


@pytest.mark.promise(
    part="one machine",
    fault="parts are frozen: they run, and answer nothing",
    happens="the others wait for them; Ctrl-C ends the run all the same",
    lost="0",
    doubled="0 in `_unified`",
    recovery="at once when they go on; `kill -9` lets one be started again",
    sees="within 30 s `PART runs, and does not answer`",
)
def test_a_run_names_parts_that_are_frozen(tmp_path):
    count = len(write_samples(tmp_path / "samples", 3_000))
    data = tmp_path / "data"
    command = [*STACK, "run", "--data", str(data), "--dashboard", "0"]
    command += ["--samples", str(tmp_path / "samples"), "--pubsub", "embedded"]
    parts = {
        "-m local simulator": "IRIS simulator",
        "-m bridge": "bridge",
        "-m local pubsub": "Pub/Sub",
        "-m pipeline": "pipeline",
        "patched_server.py": "BigQuery",
    }
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE) as run:
        wait_for_line(run, f"  {count:,} messages (")
        frozen = {name: child_of(run.pid, part) for part, name in parts.items()}
        try:
            for pid in frozen.values():
                os.kill(pid, signal.SIGSTOP)
            wait_for_lines(
                run,
                {
                    f"{name} runs, and does not answer": f"kill -9 {pid}"
                    for name, pid in frozen.items()
                },
            )
        finally:
            for pid in frozen.values():
                os.kill(pid, signal.SIGCONT)
        wait_for_lines(run, {f"{name} answers again": "" for name in parts.values()})
        run.send_signal(signal.SIGINT)
        end = run.communicate(timeout=RUN_SECONDS)[0]
    assert run.returncode == 0, end
    summary = summary_of(data)
    assert (summary["messages"], summary["balanced"]) == (count, True)


def wait_for_lines(run: subprocess.Popen, expected: dict[str, str]) -> None:
    """Waits for lines with each of these beginnings, in any order.

    Args:
        run: The run.
        expected: What else is in the line, by its beginning.
    """
    missing = set(expected)
    while missing:
        assert run.stdout is not None
        line = run.stdout.readline()
        assert line, f"the run has ended without {missing}"
        for text in [text for text in missing if line.startswith(text)]:
            assert expected[text] in line
            missing.remove(text)


def published(health_port: str) -> float:
    url = f"http://127.0.0.1:{health_port}/metrics"
    with urlopen(url, timeout=DEADLINE_SECONDS) as answer:
        return read_metrics(answer.read())["iris_bridge_published_total"]


def test_a_run_ends_with_the_reasons_of_what_became_no_row(tmp_path):
    files = {"FREQ/a": b"[{", "NEW/b": b'[{"x":1}]', "loose.json": b"[]"}
    for name, data in files.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    options = ["--samples", str(tmp_path / "in"), "--until", "drained"]
    done = stack(
        "run", "--data", str(tmp_path / "data"), *options, "--pubsub", "embedded"
    )
    assert done.returncode == 0, done.stderr
    assert "not <DATASET>/<message_id>: loose.json" in done.stdout
    assert "dead letters: 1 INVALID_JSON of FREQ (docs/dead-letters.md)" in done.stdout
    assert f"make query DATA={tmp_path / 'data'} SQL=" in done.stdout
    assert "messages of unknown datasets: 1 of NEW" in done.stdout
    assert {
        (r["reason"], r["dataset"]) for r in summary_of(tmp_path / "data")["reasons"]
    } == {("INVALID_JSON", "FREQ"), ("UNMAPPED", "NEW")}


def test_a_run_whose_output_nobody_reads_ends_like_after_ctrl_c(tmp_path):
    command = [*STACK, "run", "--data", str(tmp_path), "--pubsub", "embedded"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    run = subprocess.Popen([*command, "--samples", str(SAMPLES)], cwd=ROOT, **pipes)
    assert run.stdout is not None
    assert run.stderr is not None
    while b"ready" not in run.stdout.readline():
        assert run.poll() is None
    run.stdout.close()  # as `make run-local | head -3` does
    assert run.wait(timeout=RUN_SECONDS) == 0
    assert run.stderr.read() == b""
    assert summary_of(tmp_path)["balanced"] is True


@pytest.mark.parametrize("said", ["starting IRIS", "starting bridge", "session opened"])
def test_ctrl_c_at_the_start_is_no_failure_and_loses_nothing(tmp_path, said):
    """Whatever is loading then: the bridge, the pipeline, or the plan of its drain."""
    command = [*STACK, "run", "--data", str(tmp_path), "--pubsub", "embedded"]
    command += ["--samples", str(SAMPLES)]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE) as run:
        if said == "session opened":
            log = tmp_path / "logs" / "bridge.log"

            def is_said() -> bool:
                assert run.poll() is None
                return log.exists() and said in log.read_text()

            wait_until(is_said, RUN_SECONDS)
        else:
            wait_for_line(run, said)
        run.send_signal(signal.SIGINT)
        shown = run.communicate(timeout=RUN_SECONDS)[0]
    summary = summary_of(tmp_path)
    # What the pipeline has not read before its end waits for the next run.
    assert (summary["failure"], summary["lost"]) == (None, 0), shown
    assert "exit code" not in shown
    assert summary["balanced"] == (summary["connected"] and not summary["waiting"])
    wait_until_gone(tmp_path)


def wait_for_line(run: subprocess.Popen, text: str) -> str:
    assert run.stdout is not None
    for line in run.stdout:
        if text in line:
            return line
    raise AssertionError(f"the run has ended without {text!r}")


def wait_for_datasets(data: Path, expected: set[str]) -> None:
    """Waits until all of them are in the ledger."""
    deadline = time.monotonic() + RUN_SECONDS
    sql = "SELECT DISTINCT dataset FROM iris_ledger"
    command = [sys.executable, "-m", "local", "query", "--data", str(data), sql]
    found: set[str] = set()
    while not expected <= found:
        assert time.monotonic() < deadline, expected - found
        # It fails while BigQuery is away.
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        found = {json.loads(line)["dataset"] for line in done.stdout.splitlines()}


def test_the_demo_has_yesterday_and_passes_all_checks(tmp_path):
    """Then a second run goes on, instead of sending yesterday again."""
    command = [*STACK, "run", "--data", str(tmp_path), "--pubsub", "embedded"]
    for least_messages, most_messages in ((7_000, 20_000), (20, 2_000)):
        with subprocess.Popen(
            command, cwd=ROOT, text=True, stdout=subprocess.PIPE
        ) as run:
            wait_for_calm(run, tmp_path, least_messages)
            run.send_signal(signal.SIGINT)
            shown = run.communicate(timeout=RUN_SECONDS)[0]
        assert run.returncode == 0, shown
        summary = summary_of(tmp_path)
        assert summary["balanced"] is True
        assert (summary["dead_letters"], summary["unmapped"]) == (0, 0)
        assert least_messages <= summary["messages"] < most_messages
    command = [sys.executable, "-m", "local", "check", "--data", str(tmp_path)]
    done = subprocess.run(
        [*command, "--format", "json"], cwd=ROOT, capture_output=True, text=True
    )
    document = json.loads(done.stdout)
    assert document["status"] == "ok", [
        result for result in document["results"] if result["status"] in ("warn", "fail")
    ]


def wait_for_calm(run: subprocess.Popen, data: Path, least: int) -> None:
    """Reads the progress until all is in that is due by now."""
    for line in run.stdout:
        found = re.search(r"([\d,]+) messages \((\d+)/s\)", line)
        if found and int(found[1].replace(",", "")) >= least and int(found[2]) <= 5:
            # A slow machine has a slow moment with much still to come.
            reached = SentUntil(data / "demo-feed.json", SEED).read()
            if reached and reached > time.time() - RECENT_SECONDS:
                return
    raise AssertionError("the run has ended")


def wait_for_messages(data: Path, expected: int) -> None:
    deadline = time.monotonic() + RUN_SECONDS
    sql = "SELECT SUM(messages) AS n FROM iris_ledger"
    while (query(data, sql)[0]["n"] or 0) < expected:
        assert time.monotonic() < deadline, "the messages did not arrive"


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        (["--samples", "no such folder"], {}, "no such folder"),
        (["--samples", "EMPTY"], {}, "holds no messages"),
        (["--until", "drained"], {}, "needs SAMPLES"),
        (["--until", "done"], {}, "UNTIL is 'done'"),
        (["--pubsub", "kafka"], {}, "PUBSUB is 'kafka'"),
        (["--mode", "batch"], {}, "MODE is 'batch'"),
        (["--archive", "README.md"], {}, "ARCHIVE is 'README.md'"),
        (["--dashboard", "no"], {}, "DASHBOARD is 'no'"),
        ([], {"DASHBOARD_PORT": "TAKEN"}, "DASHBOARD_PORT"),
        ([], {"IRIS_CLIENT_ID": "id"}, "IRIS_CLIENT_SECRET"),
        ([], {"BIGQUERY_PORT": "TAKEN"}, "BIGQUERY_PORT"),
        ([], {"HEALTH_PORT": "TAKEN"}, "HEALTH_PORT"),
        ([], {"PUBSUB_PORT": "none"}, "PUBSUB_PORT"),
    ],
)
def test_a_users_mistake_is_one_line(
    arguments, environment, named, tmp_path, monkeypatch, capsys
):
    with socket.create_server(("0.0.0.0", 0)) as taken:
        for name, text in environment.items():
            port = str(taken.getsockname()[1])
            monkeypatch.setenv(name, text.replace("TAKEN", port))
        (tmp_path / "EMPTY").mkdir()
        options = [text.replace("EMPTY", str(tmp_path / "EMPTY")) for text in arguments]
        code = main(["stack", "run", "--data", str(tmp_path / "data"), *options])
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert printed.err.count("\n") == 1
    assert named in printed.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "command", [["simulator", "--port", "0"], ["stack", "run"], ["stack", "up"]]
)
def test_a_wrong_dataset_file_is_one_line(command, tmp_path, monkeypatch, capsys):
    (tmp_path / "FREQ.yaml").write_text("name: [")
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    monkeypatch.setenv("DATA", str(tmp_path / "data"))
    registry.load_registry.cache_clear()
    try:
        code = main(command)
    finally:
        registry.load_registry.cache_clear()
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert printed.err.count("\n") == 1
    assert "pipeline/datasets/FREQ.yaml" in printed.err
    assert not (tmp_path / "data").exists()


def test_without_services_there_are_no_addresses_and_nothing_to_stop(tmp_path, capsys):
    assert main(["stack", "env", "--data", str(tmp_path)]) == 2
    assert main(["stack", "down", "--data", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("nothing is up")
    assert printed.err.count("\n") == 1


def test_env_and_down_do_not_create_a_missing_folder(tmp_path):
    assert main(["stack", "env", "--data", str(tmp_path / "mistyped")]) == 2
    assert main(["stack", "down", "--data", str(tmp_path / "mistyped")]) == 0
    assert not (tmp_path / "mistyped").exists()
