"""A deployment: where gb-iris runs, and the names of its parts.

The names are those that `templates/terraform/` uses.
"""

import argparse
import os
import re
from dataclasses import dataclass

from command.tables_path import DATASET, TablesPath, project_id
from command.usage import UsageError

TOPIC = "iris-messages"
SUBSCRIPTION = "iris-messages-pipeline"
SECRET = "iris-client-secret"  # noqa: S105 - its name
DRAIN_JOB = "iris-drain"
DATAFLOW_JOB = "gb-iris"
BUILDER = "iris-builder"
# Many new projects may not build elsewhere, London included
# (https://cloud.google.com/build/docs/locations#restricted_regions_for_some_projects).
# Images are stored in the region of the deployment in any case.
BUILD_REGION = "europe-west1"
REPOSITORY = "gb-iris"
EMULATORS = ("BIGQUERY_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST")

_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment.

    Attributes:
        project: The Google Cloud project.
        region: Where its jobs run; None if the user did not name one.
        dataset: The BigQuery dataset.
        topic: The topic's name, without the project.
        subscription: The subscription's name, without the project.
        local: Whether local servers replace the cloud.
    """

    project: str
    region: str | None = None
    dataset: str = DATASET
    topic: str = TOPIC
    subscription: str = SUBSCRIPTION
    local: bool = False

    @property
    def tables(self) -> TablesPath:
        """The project and the dataset."""
        return TablesPath(self.project, self.dataset)

    @property
    def topic_path(self) -> str:
        """`projects/P/topics/T`."""
        return f"projects/{self.project}/topics/{self.topic}"

    @property
    def subscription_path(self) -> str:
        """`projects/P/subscriptions/S`."""
        return f"projects/{self.project}/subscriptions/{self.subscription}"

    @property
    def dead_letters(self) -> str:
        """The name of the topic, and of its subscription, of undeliverable messages."""
        return f"{self.topic}-dead-letters"

    @property
    def raw_bucket(self) -> str:
        """The bucket of the raw archive."""
        return f"{self.project}-iris-raw"

    @property
    def staging_bucket(self) -> str:
        """The bucket of Dataflow's temporary files and templates."""
        return f"{self.project}-iris-staging"

    def image(self, name: str, tag: str) -> str:
        """The address of an image in Artifact Registry."""
        return f"{self.region}-docker.pkg.dev/{self.project}/{REPOSITORY}/{name}:{tag}"

    def image_of(self, name: str, digest: str) -> str:
        """The address of an image by its digest."""
        return (
            f"{self.region}-docker.pkg.dev/{self.project}/{REPOSITORY}/{name}@{digest}"
        )

    def account(self, name: str) -> str:
        """The e-mail address of a service account of the project."""
        domain, _, project = self.project.rpartition(":")
        suffix = f"{project}.{domain}" if domain else project
        return f"{name}@{suffix}.iam.gserviceaccount.com"

    def gcloud(self, command: str) -> str:
        """A command of `gcloud` for this project."""
        return f"gcloud {command} --project {self.project}"

    def sql(self, command: str) -> str:
        """A command of `python -m sql` for this deployment."""
        return (
            f"python -m sql {command} --project {self.project} --dataset {self.dataset}"
        )

    def smoke(self, option: str) -> str:
        """A command of `python -m cloud smoke` for this deployment."""
        return (
            f"python -m cloud smoke --project {self.project} "
            f"--dataset {self.dataset} {option}"
        )


def uses_local_servers() -> bool:
    """Whether the environment names local servers.

    Raises:
        UsageError: It names only one of the two: messages would go to one system, and
            their rows would be expected in another.
    """
    named = [name for name in EMULATORS if os.environ.get(name)]
    if len(named) == 1:
        (other,) = set(EMULATORS) - set(named)
        raise UsageError(
            f"{named[0]} is set and {other} is not: set both for local servers, or "
            "unset both for Google Cloud"
        )
    return bool(named)


def template_path(bucket: str, tag: str) -> str:
    """Where the container spec of a release is: each has its own, for a rollback."""
    return f"gs://{bucket}/templates/gb-iris-{tag}.json"


def add_deployment_options(parser: argparse.ArgumentParser) -> None:
    """Adds --project and --region."""
    parser.add_argument(
        "--project",
        required=True,
        type=project_id,
        metavar="ID",
        help="the Google Cloud project",
    )
    parser.add_argument(
        "--region",
        required=True,
        type=region_name,
        help="where it runs, for example europe-west2 (London)",
    )


def deployment_of(options: argparse.Namespace) -> Deployment:
    """The deployment that --project and --region name."""
    return Deployment(options.project, options.region)


def region_name(text: str) -> str:
    """The type of an option that is a region."""
    return _checked(_REGION, text, "a region, such as europe-west2")


def image_tag(text: str) -> str:
    """The type of an option that is an image's tag."""
    return _checked(
        _TAG, text, "a tag of an image: use up to 128 letters, digits, '_', '.', '-'"
    )


def image_digest(text: str) -> str:
    """The type of an option that is an image's digest."""
    return _checked(_DIGEST, text, "a digest: use sha256: and 64 digits, 0 to f")


def bucket_name(text: str) -> str:
    """The type of an option that is a bucket, with or without gs://."""
    return _checked(
        _BUCKET,
        text.removeprefix("gs://").rstrip("/"),
        "a bucket: use its name, with or without gs://, and no folder",
    )


def _checked(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return text
