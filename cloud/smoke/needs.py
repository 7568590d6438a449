"""What each account of a deployment must be able to do, and where that is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloud.place import DRAIN_JOB, SECRET, Place
from cloud.smoke.policies import Need

ACCOUNTS = ("iris-bridge", "iris-pipeline", "iris-scheduler")
_PUBSUB_ALL = ("roles/pubsub.editor", "roles/pubsub.admin")
_OBJECTS = ("create", "get", "list", "delete")


@dataclass(frozen=True, slots=True)
class Resource:
    """Something with a policy.

    Attributes:
        key: What it is called in a report: `topic iris-messages`.
        host: The API.
        policy: The path that gives its policy.
        test: The path of `testIamPermissions`.
    """

    key: str
    host: str
    policy: str
    test: str


def resources(place: Place) -> dict[str, Resource]:
    """Everything that has a policy, by key."""
    project = f"projects/{place.project}"
    dead_letters = f"{place.topic}-dead-letters"
    job = f"v2/{project}/locations/{place.region}/jobs/{DRAIN_JOB}"
    dataset = f"bigquery/v2/{project}/datasets/{place.dataset}"
    found = [
        _plain(f"topic {place.topic}", "pubsub", f"v1/{place.topic_path}"),
        _plain(
            f"topic {dead_letters}", "pubsub", f"v1/{project}/topics/{dead_letters}"
        ),
        _plain(
            f"subscription {place.subscription}",
            "pubsub",
            f"v1/{place.subscription_path}",
        ),
        _plain(f"secret {SECRET}", "secretmanager", f"v1/{project}/secrets/{SECRET}"),
        # A dataset is asked for as a whole; of permissions only its tables know.
        Resource(
            f"dataset {place.dataset}",
            "bigquery",
            dataset,
            f"{dataset}/tables/iris_ledger:testIamPermissions",
        ),
        *(_bucket(name) for name in (place.raw_bucket, place.staging_bucket)),
    ]
    if place.region:
        found.append(_plain(f"job {DRAIN_JOB}", "run", job))
    return {resource.key: resource for resource in found}


def _plain(key: str, host: str, path: str) -> Resource:
    return Resource(key, host, f"{path}:getIamPolicy", f"{path}:testIamPermissions")


def _bucket(name: str) -> Resource:
    path = f"storage/v1/b/{name}/iam"
    return Resource(f"bucket {name}", "storage", path, f"{path}/testPermissions")


def needs(place: Place, project_number: str | None) -> Iterator[Need]:
    """What every account must be able to do.

    Args:
        place: The deployment.
        project_number: The number that Pub/Sub's own account is named after; None where
            it is not known, and that account is left out.
    """
    bridge, pipeline, scheduler = (_member(place, name) for name in ACCOUNTS)
    yield _on_topic(place, "iris-bridge", bridge, place.topic)
    yield Need(
        "iris-bridge",
        bridge,
        f"read the secret {SECRET}",
        f"secret {SECRET}",
        ("roles/secretmanager.secretAccessor", "roles/secretmanager.admin"),
        ("secretmanager.versions.access",),
        f"gcloud secrets add-iam-policy-binding {SECRET} --member {bridge} "
        f"--role roles/secretmanager.secretAccessor --project {place.project}",
    )
    yield _on_subscription(place, "iris-pipeline", pipeline)
    yield _on_dataset(place, pipeline)
    yield _on_bucket(pipeline, place.raw_bucket, "--archive_prefix is not used")
    yield _on_bucket(pipeline, place.staging_bucket, "Dataflow is not used")
    if place.region:
        yield _on_job(place, scheduler)
    if project_number:
        agent = (
            f"serviceAccount:service-{project_number}"
            "@gcp-sa-pubsub.iam.gserviceaccount.com"
        )
        yield _on_topic(place, "Pub/Sub", agent, f"{place.topic}-dead-letters")
        yield _on_subscription(place, "Pub/Sub", agent)


def _member(place: Place, name: str) -> str:
    return f"serviceAccount:{place.account(name)}"


def _on_topic(place: Place, account: str, member: str, topic: str) -> Need:
    return Need(
        account,
        member,
        f"publish to {topic}",
        f"topic {topic}",
        ("roles/pubsub.publisher", *_PUBSUB_ALL),
        ("pubsub.topics.publish",),
        f"gcloud pubsub topics add-iam-policy-binding {topic} --member {member} "
        f"--role roles/pubsub.publisher --project {place.project}",
    )


def _on_subscription(place: Place, account: str, member: str) -> Need:
    return Need(
        account,
        member,
        f"read {place.subscription}",
        f"subscription {place.subscription}",
        ("roles/pubsub.subscriber", *_PUBSUB_ALL),
        ("pubsub.subscriptions.consume",),
        f"gcloud pubsub subscriptions add-iam-policy-binding {place.subscription} "
        f"--member {member} --role roles/pubsub.subscriber --project {place.project}",
    )


def _on_dataset(place: Place, member: str) -> Need:
    return Need(
        "iris-pipeline",
        member,
        f"write to {place.dataset}",
        f"dataset {place.dataset}",
        (
            "roles/bigquery.dataEditor",
            "roles/bigquery.dataOwner",
            "roles/bigquery.admin",
        ),
        ("bigquery.tables.get", "bigquery.tables.updateData"),
        f"bq query --project_id {place.project} --use_legacy_sql=false 'GRANT "
        f'`roles/bigquery.dataEditor` ON SCHEMA `{place.tables}` TO "{member}"\'',
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


def _on_job(place: Place, member: str) -> Need:
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
        f"gcloud run jobs add-iam-policy-binding {DRAIN_JOB} --member {member} "
        f"--role roles/run.invoker --region {place.region} --project {place.project}",
        "a Dataflow job reads the subscription",
    )
