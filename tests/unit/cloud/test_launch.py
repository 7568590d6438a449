"""`python -m cloud launch`: what is refused before Dataflow is asked."""

import json

import pytest

from cloud.__main__ import main

PLACE = ["--project=my-project", "--region=europe-west2"]
DEPLOYMENT = [*PLACE, "--tag=v1"]
DIGEST = f"sha256:{'0' * 64}"


def request(capsys, *options):
    """What would be sent."""
    assert main(["launch", *options, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    return json.loads(printed[printed.index("{") :])["launchParameter"]


def parameters(capsys, *options):
    """The parameters of the request that would be sent."""
    return request(capsys, *DEPLOYMENT, *options)["parameters"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--dataset=bad-name", "--dataset 'bad-name' is not a BigQuery dataset name"),
        ("--subscription=name", "--subscription must be projects/"),
        ("--set=write_method=FILE_LOADS", "FILE_LOADS needs a run that ends"),
        ("--set=dedup_horizon_hours=0", "must be a number above 0"),
        ("--set=exactly_once=true", "needs --write_method STORAGE_WRITE_API"),
        ("--set=num_workers=3", "the template has no parameter num_workers"),
    ],
)
def test_what_the_pipeline_would_refuse_is_one_line(option, message, capsys):
    assert main(["launch", *DEPLOYMENT, option, "--dry-run"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m cloud launch: ")
    assert message in line


@pytest.mark.parametrize("number", ["0", "-3", "99999999999", "two", ""])
def test_a_wrong_number_of_workers(number, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["launch", *DEPLOYMENT, f"--max-workers={number}", "--dry-run"])
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "is not a number from 1" in line


def test_an_update_keeps_the_archive(capsys):
    sent = parameters(capsys, "--update", "--max-workers=2")
    assert sent["archive_prefix"] == "gs://my-project-iris-raw/raw"
    sent = parameters(capsys, "--set=archive_prefix=gs://another/folder")
    assert sent["archive_prefix"] == "gs://another/folder"


def test_what_the_job_refuses_is_said_before_the_launch(capsys):
    assert main(["launch", *DEPLOYMENT, "--dry-run"]) == 0
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("messages above 16 MB unpacked, or 150,000 records, ")
    assert "TOO_LARGE_FOR_SERVICE" in line


def test_an_empty_archive_prefix_is_no_archive(capsys):
    assert "archive_prefix" not in parameters(capsys, "--set=archive_prefix=")


def test_without_credentials_it_says_how_to_log_in(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    assert main(["launch", *DEPLOYMENT]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("`gcloud auth application-default login`")


def test_a_release_by_tag_is_its_own_template(capsys):
    sent = request(capsys, *PLACE, "--tag=v7", "--update")
    template = "gs://my-project-iris-staging/templates/gb-iris-v7.json"
    assert sent["containerSpecGcsPath"] == template


def test_a_release_by_digest_needs_no_template(capsys):
    sent = request(capsys, *PLACE, f"--digest={DIGEST}")
    assert "containerSpecGcsPath" not in sent
    image = f"europe-west2-docker.pkg.dev/my-project/gb-iris/pipeline@{DIGEST}"
    assert sent["containerSpec"]["image"] == image
    environment = sent["containerSpec"]["defaultEnvironment"]
    assert environment["sdkContainerImage"] == image


def test_a_launch_names_its_release(capsys):
    assert main(["launch", *PLACE, "--dry-run"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "name the release: --tag TAG" in line


def test_workers_without_addresses(capsys):
    subnetwork = "regions/europe-west2/subnetworks/private"
    options = [*DEPLOYMENT, "--private-ips", f"--subnetwork={subnetwork}"]
    environment = request(capsys, *options)["environment"]
    assert environment["ipConfiguration"] == "WORKER_IP_PRIVATE"
    assert environment["subnetwork"] == subnetwork


def test_workers_without_addresses_need_a_subnetwork(capsys):
    assert main(["launch", *DEPLOYMENT, "--private-ips", "--dry-run"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "--private-ips needs --subnetwork" in line
