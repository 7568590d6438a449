"""The command line: what it takes, and what a mistake looks like."""

import subprocess
import sys

import pytest

from command.usage import UsageError
from pipeline import registry
from pipeline.command import main
from pipeline.options import IrisOptions, Limits, drain_limits, parse
from pipeline.plans import (
    DRAIN,
    FILES_HERE,
    FILES_ON_SERVICE,
    STREAM_HERE,
    STREAM_ON_SERVICE,
    mode_of,
    plan_of,
)

SUBSCRIPTION = "--subscription=projects/some-project/subscriptions/some"
DRAIN_OPTIONS = (SUBSCRIPTION, "--drain", "--project=p")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give either --subscription or --files"),
        ([SUBSCRIPTION, "--files=x", "--project=p"], "give either"),
        (["--subscription=s", "--streaming", "--project=p"], "projects/PROJECT"),
        (
            ["--subscription=projects/p/subscriptions/some", "--streaming"],
            "Invalid PubSub project name: 'p'",
        ),
        (
            [SUBSCRIPTION, "--exactly_once", "--drain", "--project=p"],
            "--exactly_once needs --write_method STORAGE_WRITE_API",
        ),
        (
            [*DRAIN_OPTIONS, "--exactly_once=yes"],
            "--exactly_once must be true or false",
        ),
        ([SUBSCRIPTION, "--project=p"], "needs --streaming or --drain"),
        ([*DRAIN_OPTIONS, "--streaming"], "either --streaming or --drain"),
        (["--files=x", "--drain", "--project=p"], "leave out --files"),
        (["--drain", "--project=p"], "give either"),
        ([*DRAIN_OPTIONS, "--runner=DataflowRunner"], "--runner=DataflowRunner"),
        ([*DRAIN_OPTIONS, "--direct_running_mode=multi_processing"], "in_memory"),
        ([*DRAIN_OPTIONS, "--archive_prefix="], "--archive_prefix is empty"),
        ([*DRAIN_OPTIONS, "--archive_prefix=S3://b"], "begin with gs://, not 'S3://b'"),
        (["--files=GS://b/x", "--project=p"], "begin with gs://, not 'GS://b/x'"),
        ([*DRAIN_OPTIONS, "--every=often"], "--every must be a time"),
        ([*DRAIN_OPTIONS, "--every=0s"], "--every must be a time"),
        ([*DRAIN_OPTIONS, "--max_messages=0"], "whole number above 0"),
        ([*DRAIN_OPTIONS, "--max_messages=1e3"], "whole number above 0"),
        ([*DRAIN_OPTIONS, "--max_seconds=-1"], "--max_seconds must be a time"),
        (["--files=x", "--project=p", "--every=60s"], "--every needs --drain"),
        (["--files=x", "--project=p", "--max_messages=1"], "needs --drain"),
        (["--files=x", "--streaming", "--project=p"], "leave out --streaming"),
        (["--files=x"], "--project is missing"),
        (
            ["--files=x", "--project=p", "--workers=0"],
            "--workers must be a whole",
        ),
        ([*DRAIN_OPTIONS, "--workers=2"], "--workers needs --files"),
        (
            ["--files=x", "--project=p", "--workers=2", "--runner=DataflowRunner"],
            "a service has --num_workers",
        ),
        (["--files=x", "--project=p", "--dataset=a-b"], "not a BigQuery dataset name"),
        (["--files=x", "--project=p", "--write_method=X"], "STREAMING_INSERTS"),
        (["--files=x", "--project=p", "--dedup_horizon_hours=0"], "above 0"),
        (["--files=x", "--project=p", "--dedup_horizon_hours=day"], "above 0"),
        (["--files=x", "--project=p", "--frobnicate=1"], "--frobnicate"),
        (["--files=x", "--project=p", "stray"], "stray does not belong .* quotes"),
        ([*DRAIN_OPTIONS, "--every"], "--every: expected one argument"),
        ([*DRAIN_OPTIONS, "--num_workers=some"], "--num_workers: invalid int value"),
    ],
)
def test_a_mistake_is_refused(arguments, said):
    with pytest.raises(UsageError, match=said):
        parse(arguments)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("60s", 60), ("5m", 300), ("1h", 3600)]
)
def test_an_interval_is_a_time(text, seconds):
    options = parse([*DRAIN_OPTIONS, f"--every={text}", "--max_messages=10"])
    limits = drain_limits(options.view_as(IrisOptions))
    assert limits == Limits(max_messages=10, every_seconds=seconds)


@pytest.mark.parametrize(
    ("files", "prefix"),
    [
        ("raw", "raw"),
        ("raw/", "./raw"),
        (".", "raw"),
        ("raw/FREQ", "raw"),
        ("raw/*/*/*.avro", "raw"),
        ("*", "raw"),
        ("./**/*.avro", "raw"),
        ("gs://b/raw/*/*/*.avro", "gs://b/raw/"),
        ("gs://b", "gs://b/raw"),
    ],
)
def test_a_run_does_not_read_what_it_archives(files, prefix):
    with pytest.raises(UsageError, match="reads what --archive_prefix writes"):
        parse([f"--files={files}", f"--archive_prefix={prefix}", "--project=p"])


@pytest.mark.parametrize(
    ("files", "prefix"),
    [
        ("in", "raw"),
        ("in/*.json", "in/raw"),
        ("in/*.avro", "in/raw"),
        ("raw", "raw2"),
        ("raw*/FREQ/*.json", "other"),
        ("gs://a/raw", "gs://b/raw"),
        ("raw", "gs://b/raw"),
    ],
)
def test_an_archive_beside_the_files_is_accepted(files, prefix):
    parse([f"--files={files}", f"--archive_prefix={prefix}", "--project=p"])


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [
        (DRAIN_OPTIONS, DRAIN),
        ([SUBSCRIPTION, "--streaming"], STREAM_HERE),
        (["--files=x"], FILES_HERE),
        ([SUBSCRIPTION, "--runner=DataflowRunner"], STREAM_ON_SERVICE),
        (["--files=x", "--runner=DataflowRunner"], FILES_ON_SERVICE),
    ],
)
def test_source_and_runner_make_the_mode(arguments, mode):
    assert mode_of(parse([*arguments, "--project=p"])) is mode


def test_dataflow_gathers_what_it_archives_in_a_bucket():
    options = [SUBSCRIPTION, "--streaming", "--project=p", "--runner=DataflowRunner"]
    plan = plan_of(parse([*options, "--archive_prefix=gs://bucket/raw"]), "")
    assert (plan.archive_prefix, plan.gather_archive) == ("gs://bucket/raw", True)
    assert not plan.bounded
    with pytest.raises(UsageError, match="must be gs://"):
        plan_of(parse([*options, "--archive_prefix=raw"]), "")


def test_only_a_stream_on_dataflow_refuses_what_that_cannot_commit(tmp_path):
    service = ["--project=p", "--runner=DataflowRunner"]
    assert plan_of(parse([SUBSCRIPTION, *service]), "").refuse_large
    (tmp_path / "FREQ_202605080000_1.json").write_text("[]")
    files = [f"--files={tmp_path}", "--write_method=STREAMING_INSERTS"]
    assert not plan_of(parse([*files, *service]), "").refuse_large


def test_load_jobs_of_a_service_need_a_bucket(tmp_path):
    (tmp_path / "FREQ_202605080000_1.json").write_text("[]")
    options = [f"--files={tmp_path}", "--project=p", "--runner=DataflowRunner"]
    plan = plan_of(parse([*options, "--temp_location=gs://b/temp"]), "gs://b/temp/x")
    assert plan.write_rows.spread
    assert (plan.memory, plan.bounded) == ("by_grouping", True)
    with pytest.raises(UsageError, match="--temp_location"):
        plan_of(parse(options), str(tmp_path))


def test_options_of_beam_are_accepted():
    parse([SUBSCRIPTION, "--streaming", "--project=p", "--no_use_public_ips"])


def test_files_that_are_not_there_are_one_line_and_code_2(tmp_path, capsys):
    assert main([f"--files={tmp_path}", "--project=p"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"no messages at {tmp_path}: it reads folders of DATASET/" in line


def test_a_wrong_registry_is_one_line_and_code_2(tmp_path, monkeypatch, capsys):
    (tmp_path / "FREQ.yaml").write_text("dataset: [")
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    monkeypatch.setattr(
        "pipeline.command.load_registry", registry.load_registry.__wrapped__
    )
    assert main([f"--files={tmp_path}", "--project=p"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "FREQ.yaml" in line


def test_help_shows_our_options_first():
    shown = subprocess.run(
        [sys.executable, "-m", "pipeline", "--help"], capture_output=True, text=True
    )
    assert shown.returncode == 0
    assert "--dedup_horizon_hours" in shown.stdout
    assert len(shown.stdout.splitlines()) < 64
