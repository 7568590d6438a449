"""The graph as Dataflow gets it, and the requests that launch, update and drain it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.utils import proto_utils
from google.auth.credentials import AnonymousCredentials
from google.cloud import dataflow_v1beta3

from cloud import launch
from cloud.__main__ import main
from command.tables_path import TablesPath
from tests.integration.dataflow_fixture import JOB_ID, dataflow

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SUBSCRIPTION = "projects/some-project/subscriptions/iris-messages-pipeline"
IMAGE = "europe-west2-docker.pkg.dev/some-project/gb-iris/pipeline:1"
DEPLOYMENT = ["--project=some-project", "--region=europe-west2"]
RELEASE = [*DEPLOYMENT, "--tag=v1"]


@pytest.fixture
def service():
    with dataflow() as server:
        yield server


def submit(folder, service, *options):
    """Runs what the template's launcher runs; returns the staged pipeline."""
    for name in ("staging", "temp"):
        (folder / name).mkdir()
    command = [sys.executable, str(ROOT / "templates" / "launch_pipeline.py")]
    command += [*DEPLOYMENT, *options, "--runner=DataflowRunner", "--job_name=gb-iris"]
    command += ["--no_auth", f"--dataflow_endpoint={service.address}"]
    command += [f"--staging_location={folder / 'staging'}"]
    command += [f"--temp_location={folder / 'temp'}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GB_IRIS_IMAGE": IMAGE}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    data = (folder / "staging" / "pipeline.pb").read_bytes()
    return beam_runner_api_pb2.Pipeline.FromString(data)


def steps(staged):
    """The names of all steps; a step inside another is `outer/inner`."""
    return {one.unique_name for one in staged.components.transforms.values()}


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """A submitted stream: the staged pipeline, and the service that received it."""
    archive = "--archive_prefix=gs://some-project-iris-raw/raw"
    with dataflow() as service:
        folder = tmp_path_factory.mktemp("stream")
        staged = submit(folder, service, f"--subscription={SUBSCRIPTION}", archive)
    return staged, service


@pytest.fixture
def staged(stream):
    return stream[0]


def test_a_stream_is_submitted_with_its_steps_and_left_to_the_service(stream):
    staged, service = stream
    assert {
        "Read",
        "Decode",
        "Deduplicate",
        "Write rows",
        "Dead letters",
        "Write iris_dead_letters",
        "Write iris_unmapped",
        "Archive",
        "Ledger",
        "Write iris_ledger",
    } <= steps(staged)
    [job] = service.sent("POST", "/jobs")
    streaming = dataflow_v1beta3.JobType.JOB_TYPE_STREAMING
    assert (job["name"], job["type"]) == ("gb-iris", streaming)
    assert not service.sent("GET", f"/{JOB_ID}/messages"), "it waited for the end"


def test_the_stream_reads_the_subscription_by_its_publish_id(staged):
    urn = "beam:transform:pubsub_read:v1"
    [read] = [
        one.spec.payload
        for one in staged.components.transforms.values()
        if one.spec.urn == urn
    ]
    payload = proto_utils.parse_Bytes(read, beam_runner_api_pb2.PubSubReadPayload)
    assert payload.subscription == SUBSCRIPTION
    assert payload.id_attribute == "publish_id"
    assert payload.with_attributes


def test_nothing_on_the_way_to_a_table_groups_by_time(staged):
    """Only entries of the ledger are in windows, between two steps of its own."""
    parts = staged.components
    strategies = parts.windowing_strategies
    windowed = {
        name
        for name, one in parts.pcollections.items()
        if strategies[one.windowing_strategy_id].window_fn.urn
        != "beam:window_fn:global_windows:v1"
    }
    makers = {
        one.unique_name
        for one in parts.transforms.values()
        if windowed & set(one.outputs.values())
    }
    assert makers
    assert all(name.startswith("Gather ledger/") for name in makers), makers
    lateness = {
        strategies[parts.pcollections[name].windowing_strategy_id].allowed_lateness
        for name in windowed
    }
    assert lateness == {7 * 24 * 3600 * 1000}
    assert "Gather ledger/Leave the windows" in steps(staged)
    grouping = {
        one.unique_name
        for one in staged.components.transforms.values()
        if one.spec.urn == "beam:transform:group_by_key:v1"
    }
    assert not {name for name in grouping if name.startswith("Write")}


def test_the_workers_run_in_the_image_that_launched_them(staged):
    images = {
        beam_runner_api_pb2.DockerPayload.FromString(one.payload).container_image
        for one in staged.components.environments.values()
    }
    assert images == {IMAGE}


def test_a_template_is_a_file_and_no_job(tmp_path, service):
    template = tmp_path / "staging" / "template.json"
    options = [f"--template_location={template}", "--an_option_of_the_launcher=1"]
    staged = submit(tmp_path, service, f"--subscription={SUBSCRIPTION}", *options)
    assert "Deduplicate" in steps(staged)
    job = json.loads(template.read_text())
    assert job["environment"]["version"]["major"]
    assert not service.requests


def test_the_storage_write_api_needs_no_other_language(tmp_path, service):
    method = ["--write_method=STORAGE_WRITE_API", "--exactly_once=true"]
    staged = submit(tmp_path, service, f"--subscription={SUBSCRIPTION}", *method)
    assert "Write rows/Gather and insert" in steps(staged)
    assert {one.urn for one in staged.components.environments.values()} == {
        beam.portability.common_urns.environments.DOCKER.urn
    }
    assert len(staged.components.environments) == 1


@pytest.fixture
def local_clients(service, monkeypatch):
    """The clients of `cloud launch`, at the local service."""

    def client_of(kind):
        return lambda: kind(
            transport="rest",
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": service.address},
        )

    templates = dataflow_v1beta3.FlexTemplatesServiceClient
    monkeypatch.setattr(launch, "templates_client", client_of(templates))
    jobs = dataflow_v1beta3.JobsV1Beta3Client
    monkeypatch.setattr(launch, "jobs_client", client_of(jobs))
    # This service has no BigQuery; the check has a test of its own.
    monkeypatch.setattr(launch, "require_tables", lambda _: None)


def test_a_launch_names_template_account_and_parameters(service, local_clients, capsys):
    archive = "archive_prefix=gs://some-project-iris-raw/raw"
    assert main(["launch", *RELEASE, "--set", archive]) == 0
    [sent] = service.sent("POST", "flexTemplates:launch")
    sent = sent["launchParameter"]
    assert sent["containerSpecGcsPath"] == (
        "gs://some-project-iris-staging/templates/gb-iris-v1.json"
    )
    assert sent["parameters"] == {
        "subscription": SUBSCRIPTION,
        "dataset": "uk_energy_prod",
        "archive_prefix": "gs://some-project-iris-raw/raw",
    }
    account = "iris-pipeline@some-project.iam.gserviceaccount.com"
    assert sent["environment"]["serviceAccountEmail"] == account
    assert not sent.get("update")
    assert f"jobs/europe-west2/{JOB_ID}?project=some-project" in capsys.readouterr().out


def test_a_dry_run_prints_the_request_that_would_be_sent(
    service, local_clients, capsys
):
    options = [*RELEASE, "--update", "--streaming-mode=at_least_once"]
    assert main(["launch", *options, "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert not service.requests
    assert main(["launch", *options]) == 0
    [(_, path, sent)] = service.requests
    printed = json.loads(output[output.index("{") :])["launchParameter"]
    sent = sent["launchParameter"]
    for one in (printed, sent):  # REST has numbers instead of names
        mode = one["environment"].pop("streamingMode")
        assert mode in (2, "STREAMING_MODE_AT_LEAST_ONCE")
    assert (f"POST {path}", printed) == (output.splitlines()[0], sent)
    assert sent["update"] is True


def test_a_drain_is_requested_of_the_running_job_of_that_name(
    service, local_clients, capsys
):
    service.jobs = [{"id": JOB_ID, "name": "gb-iris"}, {"id": "2", "name": "gb-iris-2"}]
    assert main(["launch", *DEPLOYMENT, "--drain"]) == 0
    puts = [(path, body) for method, path, body in service.requests if method == "PUT"]
    [(path, body)] = puts
    assert path.endswith(f"/jobs/{JOB_ID}")
    assert body["requestedState"] == dataflow_v1beta3.JobState.JOB_STATE_DRAINED
    assert JOB_ID in capsys.readouterr().out


def test_a_drain_of_nothing_is_one_line_and_code_2(service, local_clients, capsys):
    assert main(["launch", *DEPLOYMENT, "--drain"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "no job named gb-iris is running in europe-west2" in line


def test_a_launch_is_refused_where_tables_are_missing(
    service, client, monkeypatch, capsys
):
    """Against a local BigQuery that has a dataset without tables."""
    client.create_dataset("uk_energy_prod")
    monkeypatch.setattr(launch, "connect", lambda _: client)
    monkeypatch.setattr(
        "cloud.deployment.Deployment.tables", TablesPath(client.project)
    )
    assert main(["launch", *RELEASE]) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if "missing" in x]
    assert "tables: 96 of 96 are missing" in line
    assert "python -m sql apply" in line
    assert not service.requests
