"""Terraform itself validates the files, and applies each variant with a stand-in."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.templates.provider_stand_in import ROOT, provider

pytestmark = pytest.mark.skipif(
    not shutil.which("terraform"),
    reason="terraform is not installed: its files are only read, not applied",
)

SETTINGS = {
    "project": "my-project",
    "iris_client_id": "client",
    "iris_queue_name": "queue",
    "iris_secret_expires": "2027-05-01",
    "alert_email": "me@example.org",
}

POOL = "google_cloud_run_v2_worker_pool"
VM = "google_compute_instance"
JOB = "google_cloud_run_v2_job"
SERVICE = "google_cloud_run_v2_service"
VARYING = {POOL, VM, JOB, SERVICE}


class Terraform:
    """A copy of the files with its own state, and the stand-in for the provider."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        shutil.copytree(ROOT / "templates", folder / "templates")
        self.folder = folder / "templates/terraform"
        self.environment = environment | {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TF_CLI_CONFIG_FILE": os.devnull,
            "CHECKPOINT_DISABLE": "1",  # no request to the internet
            "TF_IN_AUTOMATION": "1",
        }

    def run(self, *arguments: str) -> tuple[int, str]:
        """The exit code, and everything that it prints."""
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    def apply(self, **variables: str) -> tuple[int, str]:
        given = [f"-var={name}={text}" for name, text in variables.items()]
        return self.run("apply", "-no-color", "-auto-approve", "-input=false", *given)

    def destroy(self) -> tuple[int, str]:
        given = ("-no-color", "-auto-approve", "-var=project=my-project")
        return self.run("destroy", *given)

    def output(self, name: str) -> str:
        return str(self.state()["outputs"][name]["value"])

    def state(self) -> dict[str, Any]:
        return json.loads((self.folder / "terraform.tfstate").read_text())

    def types(self) -> Counter[str]:
        """The number of resources, for each type that depends on the variant."""
        return Counter(
            resource["type"]
            for resource in self.state()["resources"]
            if resource["type"] in VARYING
            for _ in resource["instances"]
        )

    def dead_letter_policy(self) -> list[Any]:
        subscription = self.attributes("google_pubsub_subscription", "pipeline")
        return list(subscription["dead_letter_policy"])

    def attributes(self, kind: str, name: str) -> dict[str, Any]:
        (one,) = (
            instance["attributes"]
            for resource in self.state()["resources"]
            if (resource["type"], resource["name"]) == (kind, name)
            for instance in resource["instances"]
        )
        return one


@pytest.fixture
def terraform() -> Iterator[Terraform]:
    # A socket's path has at most 107 characters: pytest's folders are too deep.
    with (
        tempfile.TemporaryDirectory() as folder,
        provider(Path(folder) / "socket") as environment,
    ):
        made = Terraform(Path(folder), environment)
        code, text = made.run("init", "-no-color")
        assert code == 0, text
        yield made


def applied(terraform: Terraform, **variables: str) -> Terraform:
    code, text = terraform.apply(**SETTINGS, **variables)
    assert code == 0, text
    return terraform


def test_the_files_are_valid(terraform: Terraform) -> None:
    code, text = terraform.run("validate", "-no-color")
    assert code == 0, text


def test_from_nothing_through_the_variants_to_nothing(terraform: Terraform) -> None:
    code, text = terraform.apply(project="my-project")
    assert code == 0, text
    assert terraform.types() == {}

    applied(terraform, bridge_runs_on="worker_pool", pipeline_runs_as="drain")
    assert terraform.types() == {POOL: 1, JOB: 3}
    assert terraform.dead_letter_policy()
    subscription = terraform.attributes("google_pubsub_subscription", "pipeline")
    assert subscription["retain_acked_messages"]
    applied(terraform, bridge_runs_on="vm", pipeline_runs_as="streaming")
    assert terraform.types() == {VM: 1, JOB: 2}  # check and refresh stay
    assert not terraform.dead_letter_policy()  # Dataflow does not support one

    code, text = terraform.destroy()
    assert code == 1
    assert "lifecycle.prevent_destroy" in text

    page = (ROOT / "templates/terraform/README.md").read_text()
    [forget] = re.findall(r"^ *terraform -chdir=\S+ (state rm .+)$", page, re.MULTILINE)
    code, text = terraform.run(*forget.split())
    assert code == 0, text
    code, text = terraform.destroy()
    assert code == 0, text
    assert terraform.state()["resources"] == []


def test_the_worker_pool_has_its_settings_and_a_reference_to_the_secret(
    terraform: Terraform,
) -> None:
    applied(terraform, bridge_runs_on="worker_pool")
    pool = terraform.attributes(POOL, "bridge")
    (container,) = pool["template"][0]["containers"]
    plain = {x["name"]: x["value"] for x in container["env"] if x["value"]}
    assert plain == {
        "IRIS_CLIENT_ID": "client",
        "IRIS_QUEUE_NAME": "queue",
        "IRIS_SECRET_EXPIRES": "2027-05-01",
        "PUBSUB_TOPIC": "known-id",
    }
    (secret,) = (x for x in container["env"] if not x["value"])
    (reference,) = secret["value_source"][0]["secret_key_ref"]
    assert (secret["name"], reference["secret"]) == (
        "IRIS_CLIENT_SECRET",
        "iris-client-secret",
    )
    assert container["image"] == (
        "europe-west2-docker.pkg.dev/my-project/gb-iris/bridge:v1"
    )


def test_the_vm_gets_unit_script_and_settings(terraform: Terraform) -> None:
    applied(terraform, bridge_runs_on="vm")
    metadata = terraform.attributes(VM, "bridge")["metadata"]
    head, _, text = metadata["user-data"].partition("\n")
    assert head == "#cloud-config"
    cloud_init = yaml.safe_load(text)
    files = {one["path"]: one["content"] for one in cloud_init["write_files"]}
    source = ROOT / "templates/bridge"
    unit = files["/etc/systemd/system/iris-bridge.service"]
    assert unit == (source / "iris-bridge.service").read_text()
    watchdog = files["/etc/systemd/system/iris-bridge-watchdog.service"]
    assert watchdog == (source / "iris-bridge-watchdog.service").read_text()
    script = files["/etc/iris-bridge/watchdog.sh"]
    assert script == (source / "watchdog.sh").read_text()
    assert files["/etc/iris-bridge/prepare.sh"] == (source / "prepare.sh").read_text()
    assert files["/etc/iris-bridge/bridge.env"].splitlines() == [
        "IMAGE=europe-west2-docker.pkg.dev/my-project/gb-iris/bridge:v1",
        "IRIS_CLIENT_ID=client",
        "IRIS_QUEUE_NAME=queue",
        "IRIS_SECRET_EXPIRES=2027-05-01",
        "PROJECT=my-project",
        "PUBSUB_TOPIC=known-id",
        "REGISTRY=europe-west2-docker.pkg.dev",
        "SECRET=iris-client-secret",
    ]


def test_viewers_make_a_dashboard_and_are_the_only_ones_to_reach_it(
    terraform: Terraform,
) -> None:
    applied(terraform, dashboard_viewers='["user:me@example.org"]')
    assert terraform.types() == {SERVICE: 1}
    service = terraform.attributes(SERVICE, "dashboard")
    (container,) = service["template"][0]["containers"]
    assert {one["name"]: one["value"] for one in container["env"]} == {
        "IRIS_SECRET_EXPIRES": SETTINGS["iris_secret_expires"]
    }
    host = container["args"][container["args"].index("--allowed-host") + 1]
    assert terraform.output("dashboard") == f"https://{host}"
    viewer = terraform.attributes(
        "google_iap_web_cloud_run_service_iam_member", "viewers"
    )
    assert viewer["member"] == "user:me@example.org"
    invoker = terraform.attributes(
        "google_cloud_run_v2_service_iam_member", "proxy_calls"
    )
    assert invoker["member"].endswith("@gcp-sa-iap.iam.gserviceaccount.com")


def test_a_move_leaves_the_old_tables_and_messages_alone(terraform: Terraform) -> None:
    applied(terraform, pipeline_runs_as="drain")
    page = (ROOT / "docs/operations.md").read_text()
    [forget] = re.findall(r"^terraform -chdir=\S+ (state rm .+)$", page, re.MULTILINE)
    [move] = re.findall(r"^terraform -chdir=\S+ apply (-var .+)$", page, re.MULTILINE)
    code, text = terraform.run(*forget.split())
    assert code == 0, text
    options = move.replace("PROJECT", "my-project").split()
    given = dict(one.split("=") for one in options if one != "-var")
    text = terraform.apply(**SETTINGS | given)[1]
    assert "Apply complete" in text, text
    gone = re.findall(r"^(\S+): Destroying", text, re.MULTILINE)
    assert not [one for one in gone if "bucket." in one or "dataset." in one]
    names = {
        "raw": "my-project-2-iris-raw",
        "staging": "my-project-2-iris-staging",
    }
    for one, name in names.items():
        assert terraform.attributes("google_storage_bucket", one)["name"] == name
    dataset = terraform.attributes("google_bigquery_dataset", "this")
    assert dataset["dataset_id"] == "uk_energy_prod_2"


def test_a_drain_has_ended_when_the_next_one_starts(terraform: Terraform) -> None:
    applied(terraform, pipeline_runs_as="drain", drain_every_minutes="2")
    jobs = {
        instance["attributes"]["name"]: instance["attributes"]["template"][0]
        for resource in terraform.state()["resources"]
        if resource["type"] == JOB
        for instance in resource["instances"]
    }
    assert jobs.keys() == {"iris-drain", "iris-check", "iris-refresh"}
    (drain,) = jobs["iris-drain"]["template"]
    (container,) = drain["containers"]
    seconds = container["args"][container["args"].index("--max_seconds") + 1]
    assert int(seconds) < int(drain["timeout"].rstrip("s")) < 120
    assert drain["max_retries"] == 0


def test_the_jobs_use_options_that_their_commands_have(
    terraform: Terraform,
) -> None:
    options = set(re.findall(r'"(--\w+)"', (terraform.folder / "main.tf").read_text()))
    folders = (ROOT / "pipeline", ROOT / "sql")
    source = "".join(x.read_text() for one in folders for x in one.glob("*.py"))
    assert options
    assert {x for x in options if f'"{x}"' not in source} == set()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"iris_client_id": ""}, "needs iris_client_id and iris_queue_name"),
        ({"bridge_runs_on": "laptop"}, "worker_pool, vm or none"),
        ({"image_tag": "latest"}, 'not "latest"'),
        ({"iris_secret_expires": "May 2027"}, "must be a day, for example"),
        ({"drain_every_minutes": "7"}, "must divide an hour"),
        ({"check_every_hours": "7"}, "must divide a day"),
        ({"refresh_every_hours": "7"}, "or 0 for never"),
        (
            {"pipeline_runs_as": "drain", "backlog_alert_minutes": "9"},
            "two of drain_every_minutes at least",
        ),
        ({"dashboard_viewers": '["allUsers"]'}, "Not everybody"),
        (
            {"raw_nearline_days": "100", "raw_coldline_days": "90"},
            "raw_nearline_days < raw_coldline_days",
        ),
    ],
)
def test_a_wrong_choice_is_reported_before_anything_is_created(
    terraform: Terraform, variables: dict[str, str], expected: str
) -> None:
    given = SETTINGS | {"bridge_runs_on": "worker_pool"} | variables
    code, text = terraform.apply(**given)
    assert code == 1
    assert expected in " ".join(text.split())


def alerts(terraform: Terraform) -> dict[str, dict[str, Any]]:
    return {
        instance["attributes"]["display_name"]: instance["attributes"]
        for resource in terraform.state()["resources"]
        if resource["type"] == "google_monitoring_alert_policy"
        for instance in resource["instances"]
    }


def test_alerts_of_a_stream_are_only_in_its_variant(terraform: Terraform) -> None:
    names = {"gb-iris: the stream does not run", "gb-iris: the stream falls behind"}
    applied(terraform, pipeline_runs_as="drain")
    assert not names & alerts(terraform).keys()
    applied(terraform, pipeline_runs_as="streaming")
    assert names <= alerts(terraform).keys()


def test_no_alert_is_shorter_than_the_interval_that_it_watches(
    terraform: Terraform,
) -> None:
    applied(terraform, pipeline_runs_as="drain", check_every_hours="12")
    check = alerts(terraform)["gb-iris: the tables are not as they should be"]
    failed, absent = check["conditions"]
    (threshold,) = failed["condition_threshold"]
    (aggregation,) = threshold["aggregations"]
    assert int(aggregation["alignment_period"].rstrip("s")) > 12 * 3600
    (condition,) = absent["condition_absent"]
    assert int(condition["duration"].rstrip("s")) > 12 * 3600


def test_raw_messages_stay_in_their_class_unless_asked(terraform: Terraform) -> None:
    applied(terraform)
    assert not terraform.attributes("google_storage_bucket", "raw")["lifecycle_rule"]
    applied(terraform, raw_coldline_days="90")
    (rule,) = terraform.attributes("google_storage_bucket", "raw")["lifecycle_rule"]
    assert rule["action"][0]["storage_class"] == "COLDLINE"


def test_a_bridge_goes_through_a_network_only_where_it_is_asked(
    terraform: Terraform,
) -> None:
    applied(terraform, bridge_runs_on="worker_pool")
    assert not terraform.attributes(POOL, "bridge")["template"][0]["vpc_access"]
    given = {"bridge_runs_on": "worker_pool", "pipeline_runs_as": "streaming"}
    # So the check is the only job.
    applied(terraform, subnetwork="private", refresh_every_hours="0", **given)
    (job,) = terraform.attributes(JOB, "this")["template"][0]["template"]
    assert job["vpc_access"][0]["egress"] == "ALL_TRAFFIC"
    (access,) = terraform.attributes(POOL, "bridge")["template"][0]["vpc_access"]
    (interface,) = access["network_interfaces"]
    assert (access["egress"], interface["subnetwork"]) == ("ALL_TRAFFIC", "private")


def test_a_vm_has_an_address_unless_it_should_not(terraform: Terraform) -> None:
    applied(terraform, bridge_runs_on="vm")
    (interface,) = terraform.attributes(VM, "bridge")["network_interface"]
    assert interface["access_config"]
    applied(terraform, bridge_runs_on="vm", bridge_has_address="false")
    (interface,) = terraform.attributes(VM, "bridge")["network_interface"]
    assert not interface["access_config"]
