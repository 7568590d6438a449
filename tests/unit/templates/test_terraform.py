"""The Terraform files are consistent, name what exists, and grant only what is listed.

These tests only read the files: they need neither Terraform nor its provider. They
cannot show whether Google accepts a value.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cloud.smoke import services
from local.pubsub import topics
from tests.integration.dockerfile_fixture import named

pytest.importorskip("hcl2", reason="python-hcl2 is not installed")
from tests.unit.templates.provider_stand_in import ROOT, SCHEMA
from tests.unit.templates.terraform_fixture import (
    FOLDER,
    Module,
    arguments,
    is_block,
    module,
    modules,
    plain,
)

MODULES = modules()
IDS = [one.name for one in MODULES]

# Every permission that is granted, and on what. A new line needs a reason here.
GRANTS = {
    # The bridge: publish to one topic, read one secret, save its position in the queue.
    "messaging.bridge_publishes": ("topic", "pubsub.publisher"),
    "secret.bridge_reads": ("secret", "secretmanager.secretAccessor"),
    "bridge.bridge_notes": ("bucket", "storage.objectUser"),
    # A VM pulls its image and sends its logs with its own account; Cloud Run does not.
    "bridge.vm_pulls": ("repository", "artifactregistry.reader"),
    "bridge.vm_logs": ("project", "logging.logWriter"),
    # Cloud Build: read the sources, write its log, push the images.
    "storage.builder_reads": ("bucket", "storage.objectViewer"),
    "..builder_logs": ("project", "logging.logWriter"),
    "..builder_pushes": ("repository", "artifactregistry.writer"),
    # The pipeline: one subscription, one dataset, two buckets. jobUser reads no data.
    "messaging.pipeline_reads": ("subscription", "pubsub.subscriber"),
    "messaging.pipeline_looks": ("subscription", "pubsub.viewer"),
    "warehouse.pipeline_writes": ("dataset", "bigquery.dataEditor"),
    "warehouse.pipeline_runs_jobs": ("project", "bigquery.jobUser"),
    "storage.pipeline_writes": ("bucket", "storage.objectUser"),
    "storage.pipeline_looks": ("bucket", "storage.legacyBucketReader"),
    # Only with pipeline_runs_as = "streaming".
    "..dataflow_worker": ("project", "dataflow.worker"),
    "..pipeline_reader": ("repository", "artifactregistry.reader"),
    # The scheduler starts one job.
    "scheduled_job.scheduler_starts": ("job", "run.invoker"),
    # The dashboard: read one dataset; viewers reach it through IAP, and only so.
    "dashboard.dashboard_reads": ("dataset", "bigquery.dataViewer"),
    "dashboard.dashboard_runs_jobs": ("project", "bigquery.jobUser"),
    "dashboard.proxy_calls": ("service", "run.invoker"),
    "dashboard.viewers": ("proxy", "iap.httpsResourceAccessor"),
    # Pub/Sub itself moves dead letters.
    "messaging.agent_publishes": ("topic", "pubsub.publisher"),
    "messaging.agent_acknowledges": ("subscription", "pubsub.subscriber"),
}
# Who has which of them. Nobody else has any.
ACCOUNTS = {
    "module.identities.bridge.member": {
        *("messaging.bridge_publishes", "secret.bridge_reads", "bridge.bridge_notes"),
        *("bridge.vm_pulls", "bridge.vm_logs"),
    },
    "module.identities.builder.member": {
        *("storage.builder_reads", "..builder_logs", "..builder_pushes"),
    },
    "module.identities.pipeline.member": {
        *("messaging.pipeline_reads", "messaging.pipeline_looks"),
        *("warehouse.pipeline_writes", "warehouse.pipeline_runs_jobs"),
        *("storage.pipeline_writes", "storage.pipeline_looks"),
        *("..dataflow_worker", "..pipeline_reader"),
    },
    "module.identities.scheduler.member": {"scheduled_job.scheduler_starts"},
    "google_service_account.dashboard.member": {
        *("dashboard.dashboard_reads", "dashboard.dashboard_runs_jobs"),
    },
    # Google's own accounts, and the viewers whom the user names.
    "local.iap_agent": {"dashboard.proxy_calls"},
    "local.pubsub_agent": {"messaging.agent_publishes", "messaging.agent_acknowledges"},
    "each.value": {"dashboard.viewers"},
}
GRANTED_ON = {
    "google_pubsub_topic_iam_member": "topic",
    "google_pubsub_subscription_iam_member": "subscription",
    "google_bigquery_dataset_iam_member": "dataset",
    "google_storage_bucket_iam_member": "bucket",
    "google_secret_manager_secret_iam_member": "secret",
    "google_artifact_registry_repository_iam_member": "repository",
    "google_cloud_run_v2_job_iam_member": "job",
    "google_cloud_run_v2_service_iam_member": "service",
    "google_iap_web_cloud_run_service_iam_member": "proxy",
    "google_project_iam_member": "project",
}


# What holds data, a backlog, or the way back.
KEPT = {
    "google_bigquery_dataset.this",
    "google_storage_bucket.raw",
    "google_pubsub_topic.messages",
    "google_pubsub_subscription.pipeline",
    "google_pubsub_topic.dead_letters",
    "google_pubsub_subscription.dead_letters",
    "google_secret_manager_secret.client",
    "google_artifact_registry_repository.images",
}


def of(name: str) -> Module:
    return module(FOLDER / "modules" / name)


def called(body: dict[str, Any]) -> Module:
    return module((FOLDER / plain(body["source"])).resolve())


def test_the_files_are_formatted() -> None:
    if not shutil.which("terraform"):
        pytest.skip("terraform is not installed: its formatting is not checked")
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", str(FOLDER)],
        env={"PATH": str(Path(str(shutil.which("terraform"))).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("part", MODULES, ids=IDS)
class TestModule:
    def test_variables_are_declared_and_used(self, part: Module) -> None:
        used = part.references(r"\bvar\.(\w+)")
        provider = (part.folder / "versions.tf").exists()
        used |= {"project", "region"} if provider else set()
        assert used == part.variables.keys()

    def test_variables_and_outputs_say_what_they_are(self, part: Module) -> None:
        for name, body in (part.variables | part.outputs).items():
            assert plain(body["description"]), name
        assert all("type" in body for body in part.variables.values())

    def test_locals_are_declared_and_used(self, part: Module) -> None:
        assert part.references(r"\blocal\.(\w+)") == part.locals.keys()

    def test_resources_are_declared(self, part: Module) -> None:
        used = part.references(r"((?:data\.)?\bgoogle_\w+\.\w+)")
        direct = {name for name in used if not name.startswith("data.")}
        found = {name.removeprefix("data.") for name in part.resources}
        assert {name.removeprefix("data.") for name in direct} <= found

    def test_attributes_of_resources_exist(self, part: Module) -> None:
        pattern = r"\b(google_\w+)\.\w+(?:\[\w+\])?\.(\w+)"
        for resource, attribute in part.references(pattern):
            assert attribute in SCHEMA[resource], f"{resource}.{attribute}"

    def test_arguments_are_those_of_the_provider(self, part: Module) -> None:
        for name, body in part.resources.items():
            resource = name.removeprefix("data.").split(".")[0]
            check_arguments(arguments(body), SCHEMA[resource], name)

    def test_calls_pass_what_is_declared(self, part: Module) -> None:
        for name, body in part.calls.items():
            declared = called(body).variables
            passed = arguments(body).keys() - {"source"}
            required = {k for k, v in declared.items() if "default" not in v}
            assert passed <= declared.keys(), name
            assert required <= passed, name

    def test_outputs_of_modules_exist(self, part: Module) -> None:
        for name, output in part.references(r"\bmodule\.(\w+)(?:\[\w+\])?\.(\w+)"):
            assert output in called(part.calls[name]).outputs, f"module.{name}.{output}"


def check_arguments(given: dict[str, Any], known: dict[str, Any], path: str) -> None:
    """Every argument and block is in the schema, and no required one is missing."""
    for name, value in given.items():
        here = f"{path}.{name}"
        assert name in known, f"{here} is not in the provider's schema"
        assert known[name] != "<", f"{here} is read-only"
        assert isinstance(known[name], dict) == is_block(value), f"{here}: a block?"
        if is_block(value):
            for block in value:
                check_arguments(arguments(block), known[name], here)
    required = {name for name, kind in known.items() if is_required(kind)}
    assert required - {"_"} <= given.keys(), f"{path} lacks an argument"


def is_required(kind: str | dict[str, Any]) -> bool:
    """Whether an argument or a block of the schema is required."""
    use = kind.get("_", "") if isinstance(kind, dict) else kind
    return use.startswith("!")


def test_every_module_is_called() -> None:
    root = module(FOLDER)
    assert {called(body).name for body in root.calls.values()} == set(IDS) - {"."}


def test_nobody_is_granted_more_than_is_listed() -> None:
    granted = {}
    for part in MODULES:
        for name, body in part.resources.items():
            resource, short = name.split(".")[-2:]
            if "_iam_" in resource:
                role = plain(body["role"]).removeprefix("roles/")
                granted[f"{part.name}.{short}"] = (GRANTED_ON[resource], role)
    assert granted == GRANTS


def test_each_account_has_the_roles_of_its_own_part() -> None:
    accounts: dict[str, set[str]] = {}
    for part in MODULES:
        for name, body in part.resources.items():
            if "_iam_" in name.split(".")[-2]:
                grant = f"{part.name}.{name.split('.')[-1]}"
                accounts.setdefault(account_of(part, body), set()).add(grant)
    assert accounts == ACCOUNTS


def account_of(part: Module, body: dict[str, Any]) -> str:
    """Whose account a grant is for, found through the variables of its module."""
    member = str(body["member"]).strip("${}")
    if member.startswith("var."):
        _, variable, *rest = member.split(".")
        call = next(
            x for x in module(FOLDER).calls.values() if called(x).name == part.name
        )
        member = str(call[variable]).strip("${}") + "".join(f".{x}" for x in rest)
    return member


def test_no_grant_replaces_those_of_others() -> None:
    names = {name for part in MODULES for name in part.resources}
    assert not [name for name in names if re.search(r"_iam_(binding|policy)\.", name)]


def test_parts_of_one_variant_are_in_no_other() -> None:
    counts = {
        name: str(body.get("count"))
        for part in (module(FOLDER), of("bridge"))
        for name, body in part.resources.items()
    }
    for name, condition in {
        "google_project_iam_member.dataflow_worker": '"streaming" ? 1 : 0',
        "google_cloud_run_v2_worker_pool.bridge": '"worker_pool" ? 1 : 0',
        "google_compute_instance.bridge": "local.is_vm ? 1 : 0",
        "google_project_iam_member.vm_logs": "local.is_vm ? 1 : 0",
    }.items():
        assert condition in counts[name], name


def test_without_an_image_nothing_is_started() -> None:
    variables = module(FOLDER).variables
    for name in ("bridge_runs_on", "pipeline_runs_as"):
        assert plain(variables[name]["default"]) == "none"


def test_no_secret_is_in_the_state() -> None:
    for part in MODULES:
        assert not [x for x in part.resources if "secret_version" in x]
        values = {"client_secret", "secret_value", "secret_data", "password"}
        assert not values & {
            word for name in part.variables for word in [name.removeprefix("iris_")]
        }
    pool = of("bridge").resources["google_cloud_run_v2_worker_pool.bridge"]
    (template,) = pool["template"]
    (container,) = template["containers"]
    (secret,) = [x for x in container["env"] if "SECRET" in x["name"]]
    assert "value" not in secret
    assert "value_source" in secret


def test_one_bridge_runs() -> None:
    pool = of("bridge").resources["google_cloud_run_v2_worker_pool.bridge"]
    (scaling,) = pool["scaling"]
    assert arguments(scaling) == {"manual_instance_count": 1}


def test_the_dashboard_is_one_instance_behind_the_proxy() -> None:
    service = of("dashboard").resources["google_cloud_run_v2_service.dashboard"]
    assert service["iap_enabled"] is True
    (template,) = service["template"]
    (scaling,) = template["scaling"]
    assert arguments(scaling) == {"min_instance_count": 0, "max_instance_count": 1}


def test_there_is_no_dashboard_unless_somebody_may_open_it() -> None:
    root = module(FOLDER)
    assert root.variables["dashboard_viewers"]["default"] == []
    assert "length(var.dashboard_viewers) > 0" in root.locals["has_dashboard"]
    assert "local.has_dashboard ? 1 : 0" in root.calls["dashboard"]["count"]


def test_the_dead_letter_topic_keeps_its_messages() -> None:
    resources = of("messaging").resources
    subscriptions = [v for k, v in resources.items() if "pubsub_subscription." in k]
    forwarded = {
        policy["dead_letter_topic"]
        for body in subscriptions
        for policy in arguments(body).get("dead_letter_policy", [])
    }
    assert forwarded
    assert forwarded <= {body["topic"] for body in subscriptions}
    for body in subscriptions:
        (policy,) = body["expiration_policy"]
        assert plain(policy["ttl"]) == ""  # never


def test_what_cannot_be_replaced_is_never_destroyed() -> None:
    kept = {
        name
        for part in MODULES
        for name, body in part.resources.items()
        if any(one.get("prevent_destroy") for one in body.get("lifecycle", []))
    }
    assert kept == KEPT
    page = (FOLDER / "README.md").read_text()
    [forgotten] = re.findall(r"terraform -chdir=\S+ state rm (.+)", page)
    assert {re.sub(r"^module\.\w+\.", "", x) for x in forgotten.split()} == KEPT


def test_a_tag_of_an_image_never_moves() -> None:
    images = module(FOLDER).resources["google_artifact_registry_repository.images"]
    (docker,) = images["docker_config"]
    assert arguments(docker) == {"immutable_tags": True}


def test_names_are_the_same_as_on_one_machine() -> None:
    resources = of("messaging").resources
    names = {
        key.split("_", 1)[1]: plain(v["name"])
        for key, v in resources.items()
        if "_iam_" not in key
    }
    assert names == {
        "pubsub_topic.messages": topics.TOPIC.split("/")[-1],
        "pubsub_subscription.pipeline": topics.SUBSCRIPTION.split("/")[-1],
        "pubsub_topic.dead_letters": topics.DEAD_LETTER_TOPIC.split("/")[-1],
        "pubsub_subscription.dead_letters": topics.DEAD_LETTER_SUBSCRIPTION.split("/")[
            -1
        ],
    }
    subscription = arguments(resources["google_pubsub_subscription.pipeline"])
    (policy,) = subscription["dead_letter_policy"]
    assert policy["max_delivery_attempts"] == topics.MAX_DELIVERY_ATTEMPTS


def test_the_worker_pool_gives_the_container_what_the_image_expects() -> None:
    (user,) = named("USER")
    (environment,) = named("ENV")
    uid, gid = user.split(":")
    text = (FOLDER / "modules/bridge/worker_pool.tf").read_text()
    assert f'["uid={uid}", "gid={gid}"]' in text
    (mount,) = re.findall(r'mount_path = "(/\w+)"', text)
    assert f"IRIS_STATE_FILE={mount}/" in environment
    assert f"HEALTH_PORT={of('bridge').locals['health_port']}" in environment


def test_the_files_that_the_vm_gets_exist() -> None:
    text = (FOLDER / "modules/bridge/vm.tf").read_text()
    (folder,) = re.findall(r'files\s+= "\$\{path\.module\}/(.+)"', text)
    files = re.findall(r'file\("\$\{local\.files\}/(.+)"\)', text)
    assert len(files) == 4
    for name in files:
        assert (FOLDER / "modules/bridge" / folder / name).is_file()
    units = (ROOT / "templates/bridge").glob("*.service")
    unit = "".join(one.read_text() for one in units)
    for path in re.findall(r'path\s+= "(/etc/iris-bridge/\S+)"', text):
        assert path in unit


def test_the_readme_names_variables_and_outputs_that_exist() -> None:
    text = (FOLDER / "README.md").read_text()
    root = module(FOLDER)
    outputs = set(re.findall(r"output -raw (\w+)", text))
    assert outputs
    assert outputs <= root.outputs.keys()
    block = re.search(r"terraform\.tfvars <<EOF\n(.*?)EOF", text, re.S)
    assert block
    for name in re.findall(r"^ *(\w+) += ", block[1], re.M):
        assert name in root.variables


def test_every_api_that_the_smoke_test_asks_for_is_enabled() -> None:
    text = (FOLDER / "main.tf").read_text()
    wanted = {*services.REQUIRED_APIS, *services.DRAIN_APIS, *services.DATAFLOW_APIS}
    wanted |= {"cloudbuild", "iamcredentials", "bigquerystorage"}
    assert {x for x in wanted if f'"{x}.googleapis.com"' not in text} == set()
