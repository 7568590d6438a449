"""The flex template: spec, metadata and images fit the pipeline that they launch."""

import argparse
import json
import os
import re
import stat
from pathlib import Path

import apache_beam
import jsonschema
import pytest
import yaml
from google.cloud.dataflow_v1beta3 import ContainerSpec, ParameterType

from cloud.__main__ import main
from cloud.template import METADATA, container_spec
from command.usage import UsageError
from pipeline.options import WRITE_METHODS, IrisOptions, parse

ROOT = Path(__file__).parents[3]
TEMPLATES = ROOT / "templates"
SCHEMA = json.loads((Path(__file__).parent / "container_spec.schema.json").read_text())
REPOSITORY = "europe-west2-docker.pkg.dev/my-project/gb-iris"
DIGEST = f"sha256:{'a' * 64}"
IMAGE = f"{REPOSITORY}/pipeline@{DIGEST}"
DEPLOYMENT = ["--project=my-project", "--region=europe-west2", "--tag=1"]
PARAMETERS = {
    one["name"]: one for one in json.loads(METADATA.read_text())["parameters"]
}


def defaults_by_name():
    """The default of each option of the pipeline."""
    parser = argparse.ArgumentParser()
    IrisOptions._add_argparse_args(parser)  # Beam's own name for a hook
    return vars(parser.parse_args([]))


def test_the_spec_is_one_by_the_schema():
    jsonschema.Draft202012Validator(SCHEMA).validate(container_spec(IMAGE))


def test_the_api_knows_every_field_of_the_spec():
    spec = ContainerSpec.from_json(
        json.dumps(container_spec(IMAGE)), ignore_unknown_fields=False
    )
    assert spec.metadata.streaming
    assert spec.metadata.supports_at_least_once
    assert spec.metadata.supports_exactly_once
    assert spec.metadata.default_streaming_mode == "EXACTLY_ONCE"
    assert {one.param_type for one in spec.metadata.parameters} > {ParameterType.TEXT}
    assert spec.default_environment.sdk_container_image == spec.image == IMAGE


def test_the_parameters_are_the_options_of_the_pipeline():
    # A drain is a run in one process, without Dataflow, which has workers of its own.
    drains = {"drain", "every", "max_messages", "max_seconds", "metrics_port"}
    assert PARAMETERS.keys() == defaults_by_name().keys() - drains - {"workers"}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_default_is_that_of_the_option_and_is_allowed(name):
    parameter, default = PARAMETERS[name], defaults_by_name()[name]
    assert parameter.get("defaultValue") == default
    assert parameter["isOptional"]
    if default is not None:
        assert all(re.search(one, default) for one in parameter["regexes"])


def test_the_write_methods_are_those_of_the_pipeline():
    offered = [one["value"] for one in PARAMETERS["write_method"]["enumOptions"]]
    assert offered == list(WRITE_METHODS)
    [pattern] = PARAMETERS["write_method"]["regexes"]
    assert all(re.search(pattern, method) for method in WRITE_METHODS)
    assert not re.search(pattern, "FILE_LOAD")


VALUES = {
    "subscription": ("projects/my-project/subscriptions/s", "projects/a.b:my-p/x"),
    "write_window_seconds": ("2", "0.5", "0", "0.0", "00.01", "1.50", ".5", "-1", "a"),
    "dedup_horizon_hours": ("24", "0.5", "0", "0.0", "00.01", "1.50", ".5", "-1", "a"),
    "write_method": (*WRITE_METHODS, "streaming_inserts"),
    "dataset": ("uk_energy_prod", "uk-energy", "a.b"),
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name, values in VALUES.items() for value in values),
        ("subscription", "projects/My/subscriptions/s"),
        ("subscription", "projects/x/subscriptions/s"),
    ],
)
def test_the_template_accepts_what_the_pipeline_accepts(name, value):
    given = {"files": "gs://b/f", "project": "p", name: value}
    if name == "subscription":
        del given["files"]
    try:
        parse([f"--{k}={v}" for k, v in given.items()] + ["--runner=DataflowRunner"])
        accepted = True
    except UsageError:
        accepted = False
    [pattern] = PARAMETERS[name]["regexes"]
    assert bool(re.search(pattern, value)) == accepted


def test_the_image_has_the_tested_versions():
    dockerfile = (TEMPLATES / "Dockerfile").read_text()
    [beam] = re.findall(r"beam_python(\S+)_sdk:(\S+)", dockerfile)
    [launcher] = re.findall(r"python(\d)(\d+)-template-launcher-base", dockerfile)
    [base] = re.findall(r"^FROM python:([\d.]+)-slim-\w+", dockerfile, re.MULTILINE)
    assert beam == (base, apache_beam.__version__)
    assert ".".join(launcher) == base
    assert ":latest" not in dockerfile


def pins(path):
    return set(re.findall(r"^(\S+)==([^ ;\\]+)", path.read_text(), re.MULTILINE))


def test_what_the_image_installs_is_locked_as_everything_else():
    wanted, locked = (
        pins(TEMPLATES / "requirements.txt"),
        pins(ROOT / "requirements.lock"),
    )
    assert wanted <= locked
    names = {name for name, _ in wanted}
    assert "apache-beam" in names
    assert "azure-servicebus" not in names


@pytest.mark.parametrize(
    "folder", ["templates", "templates/bridge", "templates/dashboard"]
)
def test_what_a_dockerfile_copies_is_sent_to_the_build(folder):
    file = ROOT / folder / "Dockerfile"
    kept = (ROOT / folder / "Dockerfile.dockerignore").read_text().split()
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", file.read_text(), re.MULTILINE)
    sources = [source for line in copies for source in line.split()]
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in kept


def test_the_build_makes_the_images_that_it_pushes():
    build = yaml.safe_load((TEMPLATES / "cloudbuild.yaml").read_text())
    tags = [
        a.removeprefix("--tag=")
        for s in build["steps"]
        for a in s["args"]
        if "--tag" in a
    ]
    files = [
        a.removeprefix("--file=")
        for s in build["steps"]
        for a in s["args"]
        if "--file" in a
    ]
    assert tags == build["images"] == ["$_PIPELINE", "$_BRIDGE", "$_DASHBOARD"]
    assert all((ROOT / file).is_file() for file in files)


def test_nothing_that_pip_builds_is_fetched_unlocked():
    """Only google-apitools has no wheel; the tools that build it are locked, too."""
    text = (TEMPLATES / "Dockerfile").read_text().replace("\\\n", " ")
    installs = re.findall(r"pip install ([^&\n]+)", text)
    assert len(installs) == 3
    for install in installs:
        is_locked = "--require-hashes" in install and "--only-binary :all:" in install
        assert is_locked or "--no-deps" in install
        assert "--no-build-isolation" in install or "build-requirements" in install
    assert re.findall(r"--no-binary (\S+)", text) == ["google-apitools"]
    assert {"setuptools", "wheel"} <= {
        name for name, _ in pins(TEMPLATES / "build-requirements.txt")
    }


def test_images_are_built_where_a_new_project_may_build(capsys):
    options = [*DEPLOYMENT, "--dry-run"]
    assert main(["images", *options]) == 0
    assert " --region=europe-west1 " in capsys.readouterr().out
    assert main(["images", *options, "--build-region=us-central1"]) == 0
    assert " --region=us-central1 " in capsys.readouterr().out


def test_images_are_built_by_their_own_account_from_a_bucket_of_the_deployment(capsys):
    assert main(["images", *DEPLOYMENT, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    builder = "iris-builder@my-project.iam.gserviceaccount.com"
    assert (
        f" --service-account=projects/my-project/serviceAccounts/{builder} " in printed
    )
    assert " --gcs-source-staging-dir=gs://my-project-iris-staging/builds " in printed


def test_a_dry_run_prints_what_it_would_do_and_does_nothing(
    capsys, monkeypatch, tmp_path
):
    calls = gcloud(monkeypatch, tmp_path)
    assert main(["template", *DEPLOYMENT, "--bucket=gs://b-1", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    commands = [x for x in printed.splitlines() if x.startswith("$ gcloud ")]
    [build, publish] = commands
    assert "gcloud builds submit" in build
    assert f"{REPOSITORY}/pipeline:1" in build
    assert publish.endswith("gs://b-1/templates/gb-iris-1.json --project=my-project")
    spec = json.loads(printed[printed.index("{\n") :])
    assert spec == container_spec(spec["image"])
    assert not calls.exists()


def gcloud(monkeypatch, folder, *, code=0, is_built=False):
    """Replaces gcloud by a script that notes its arguments.

    Artifact Registry has the image when it is built.
    """
    program, calls, image = folder / "gcloud", folder / "calls", folder / "image"
    if is_built:
        image.touch()
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >>"{calls}"\n'
        'case "$*" in\n'
        f'  *describe*) [ -e "{image}" ] && echo {DIGEST} || exit 1;;\n'
        f'  builds*) [ {code} = 0 ] && touch "{image}"; exit {code};;\n'
        "esac\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr("cloud.template.SPEC", folder / "build" / "spec.json")
    # Registries are asked in test_bases.py.
    monkeypatch.setattr("cloud.images.bases.pin", lambda: None)
    return calls


def test_a_release_is_built_and_its_template_names_the_digest(
    monkeypatch, tmp_path, capsys
):
    calls = gcloud(monkeypatch, tmp_path)
    assert main(["template", *DEPLOYMENT]) == 0
    _, build, _, publish = calls.read_text().splitlines()
    assert build.startswith(f"builds submit {ROOT}")
    assert publish.split()[:2] == ["storage", "cp"]
    published = "gs://my-project-iris-staging/templates/gb-iris-1.json"
    assert published in publish
    assert published in capsys.readouterr().out
    written = json.loads((tmp_path / "build" / "spec.json").read_text())
    assert written == container_spec(IMAGE)


def test_the_template_of_a_release_that_is_built_needs_no_build(monkeypatch, tmp_path):
    calls = gcloud(monkeypatch, tmp_path, is_built=True)
    assert main(["template", *DEPLOYMENT]) == 0
    assert [x for x in calls.read_text().splitlines() if x.startswith("builds")] == []


def test_a_tag_that_has_an_image_is_not_built_again(monkeypatch, tmp_path, capsys):
    calls = gcloud(monkeypatch, tmp_path, is_built=True)
    assert main(["images", *DEPLOYMENT]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "a tag never moves to another image: use a new tag" in line
    assert len(calls.read_text().splitlines()) == 1


def test_nothing_is_published_of_a_build_that_failed(monkeypatch, tmp_path):
    calls = gcloud(monkeypatch, tmp_path, code=3)
    assert main(["template", *DEPLOYMENT]) == 3
    assert "storage cp" not in calls.read_text()


def test_without_gcloud_it_says_where_to_get_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["images", *DEPLOYMENT]) == 2
    assert "https://cloud.google.com/sdk" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ("--project=My Project", "project"),
        ("--region=london", "region"),
        ("--tag=a b", "tag"),
        ("--bucket=B_", "bucket"),
    ],
)
def test_a_wrong_option_is_one_line_and_code_2(wrong, word, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["template", *DEPLOYMENT, wrong])
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.search(f"is not a {word}[ :,]", line)
