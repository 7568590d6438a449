"""What each account of a deployment must be able to do, and where to ask for it."""

from collections.abc import Iterator
from dataclasses import dataclass

from cloud.deployment import BUILDER, DRAIN_JOB, REPOSITORY, SECRET, Deployment
from cloud.smoke.policies import Need

ACCOUNTS = ("iris-bridge", "iris-pipeline", "iris-scheduler", BUILDER)
_PUBSUB_ALL = ("roles/pubsub.editor", "roles/pubsub.admin")
_OBJECTS = ("create", "get", "list", "delete")


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource with a policy.

    Attributes:
        key: Its name in a report: `topic iris-messages`.
        host: The API.
        policy: The path of its policy.
        test: The path of `testIamPermissions`.
    """

    key: str
    host: str
    policy: str
    test: str


def resources(deployment: Deployment) -> dict[str, Resource]:
    """Every resource with a policy, by key."""
    project = f"projects/{deployment.project}"
    dead_letters = deployment.dead_letters
    job = f"v2/{project}/locations/{deployment.region}/jobs/{DRAIN_JOB}"
    dataset = f"bigquery/v2/{project}/datasets/{deployment.dataset}"
    found = [
        _plain(f"topic {deployment.topic}", "pubsub", f"v1/{deployment.topic_path}"),
        _plain(
            f"topic {dead_letters}", "pubsub", f"v1/{project}/topics/{dead_letters}"
        ),
        _plain(
            f"subscription {deployment.subscription}",
            "pubsub",
            f"v1/{deployment.subscription_path}",
        ),
        _plain(f"secret {SECRET}", "secretmanager", f"v1/{project}/secrets/{SECRET}"),
        # The policy of a dataset is part of the dataset; only its tables test
        # permissions.
        Resource(
            f"dataset {deployment.dataset}",
            "bigquery",
            dataset,
            f"{dataset}/tables/iris_ledger:testIamPermissions",
        ),
        *(_bucket(name) for name in (deployment.raw_bucket, deployment.staging_bucket)),
    ]
    if deployment.region:
        found.append(_plain(f"job {DRAIN_JOB}", "run", job))
        images = f"{project}/locations/{deployment.region}/repositories/{REPOSITORY}"
        found.append(
            _plain(f"repository {REPOSITORY}", "artifactregistry", f"v1/{images}")
        )
    return {resource.key: resource for resource in found}


def _plain(key: str, host: str, path: str) -> Resource:
    return Resource(key, host, f"{path}:getIamPolicy", f"{path}:testIamPermissions")


def _bucket(name: str) -> Resource:
    path = f"storage/v1/b/{name}/iam"
    return Resource(f"bucket {name}", "storage", path, f"{path}/testPermissions")


def needs(deployment: Deployment, project_number: str | None) -> Iterator[Need]:
    """What every account must be able to do.

    Args:
        project_number: The number in the name of Pub/Sub's own account; None if it is
            not known, and then that account is left out.
    """
    members = (_member(deployment, name) for name in ACCOUNTS)
    bridge, pipeline, scheduler, builder = members
    yield _on_topic(deployment, "iris-bridge", bridge, deployment.topic)
    yield Need(
        "iris-bridge",
        bridge,
        f"read the secret {SECRET}",
        f"secret {SECRET}",
        ("roles/secretmanager.secretAccessor", "roles/secretmanager.admin"),
        ("secretmanager.versions.access",),
        deployment.gcloud(
            f"secrets add-iam-policy-binding {SECRET} --member {bridge} "
            "--role roles/secretmanager.secretAccessor"
        ),
    )
    yield _on_subscription(deployment, "iris-pipeline", pipeline)
    yield _on_dataset(deployment, pipeline)
    yield _on_bucket(pipeline, deployment.raw_bucket, "--archive_prefix is not used")
    yield _on_bucket(pipeline, deployment.staging_bucket, "Dataflow is not used")
    if deployment.region:
        yield _on_job(deployment, scheduler)
        yield _on_images(deployment, builder)
    yield _on_sources(builder, deployment.staging_bucket)
    if project_number:
        agent = (
            f"serviceAccount:service-{project_number}"
            "@gcp-sa-pubsub.iam.gserviceaccount.com"
        )
        yield _on_topic(deployment, "Pub/Sub", agent, deployment.dead_letters)
        yield _on_subscription(deployment, "Pub/Sub", agent)


def _member(deployment: Deployment, name: str) -> str:
    return f"serviceAccount:{deployment.account(name)}"


def _on_topic(deployment: Deployment, account: str, member: str, topic: str) -> Need:
    return Need(
        account,
        member,
        f"publish to {topic}",
        f"topic {topic}",
        ("roles/pubsub.publisher", *_PUBSUB_ALL),
        ("pubsub.topics.publish",),
        deployment.gcloud(
            f"pubsub topics add-iam-policy-binding {topic} --member "
            f"{member} --role roles/pubsub.publisher"
        ),
    )


def _on_subscription(deployment: Deployment, account: str, member: str) -> Need:
    return Need(
        account,
        member,
        f"read {deployment.subscription}",
        f"subscription {deployment.subscription}",
        ("roles/pubsub.subscriber", *_PUBSUB_ALL),
        ("pubsub.subscriptions.consume",),
        deployment.gcloud(
            "pubsub subscriptions add-iam-policy-binding "
            f"{deployment.subscription} --member {member} --role "
            "roles/pubsub.subscriber"
        ),
    )


def _on_dataset(deployment: Deployment, member: str) -> Need:
    return Need(
        "iris-pipeline",
        member,
        f"write to {deployment.dataset}",
        f"dataset {deployment.dataset}",
        (
            "roles/bigquery.dataEditor",
            "roles/bigquery.dataOwner",
            "roles/bigquery.admin",
        ),
        ("bigquery.tables.get", "bigquery.tables.updateData"),
        f"bq query --project_id {deployment.project} --use_legacy_sql=false 'GRANT "
        f'`roles/bigquery.dataEditor` ON SCHEMA `{deployment.tables}` TO "{member}"\'',
    )


def _on_bucket(member: str, bucket: str, optional: str) -> Need:
    return Need(
        "iris-pipeline",
        member,
        f"write to gs://{bucket}",
        f"bucket {bucket}",
        (
            "roles/storage.objectUser",
            "roles/storage.objectAdmin",
            "roles/storage.admin",
        ),
        tuple(f"storage.objects.{verb}" for verb in _OBJECTS),
        f"gcloud storage buckets add-iam-policy-binding gs://{bucket} "
        f"--member {member} --role roles/storage.objectUser",
        optional,
    )


def _on_images(deployment: Deployment, member: str) -> Need:
    return Need(
        BUILDER,
        member,
        f"push to {REPOSITORY}",
        f"repository {REPOSITORY}",
        (
            "roles/artifactregistry.writer",
            "roles/artifactregistry.repoAdmin",
            "roles/artifactregistry.admin",
        ),
        ("artifactregistry.repositories.uploadArtifacts",),
        deployment.gcloud(
            f"artifacts repositories add-iam-policy-binding {REPOSITORY} --member "
            f"{member} --role roles/artifactregistry.writer --location "
            f"{deployment.region}"
        ),
        "images are built elsewhere",
    )


def _on_sources(member: str, bucket: str) -> Need:
    return Need(
        BUILDER,
        member,
        f"read gs://{bucket}",
        f"bucket {bucket}",
        (
            "roles/storage.objectViewer",
            "roles/storage.objectUser",
            "roles/storage.objectAdmin",
            "roles/storage.admin",
        ),
        ("storage.objects.get",),
        f"gcloud storage buckets add-iam-policy-binding gs://{bucket} "
        f"--member {member} --role roles/storage.objectViewer",
        "images are built elsewhere",
    )


def _on_job(deployment: Deployment, member: str) -> Need:
    return Need(
        "iris-scheduler",
        member,
        f"start {DRAIN_JOB}",
        f"job {DRAIN_JOB}",
        (
            "roles/run.invoker",
            "roles/run.jobsExecutor",
            "roles/run.developer",
            "roles/run.admin",
        ),
        ("run.jobs.run",),
        deployment.gcloud(
            f"run jobs add-iam-policy-binding {DRAIN_JOB} --member {member} "
            f"--role roles/run.invoker --region {deployment.region}"
        ),
        "a Dataflow job reads the subscription",
    )
