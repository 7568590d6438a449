"""Where a deployment is: names in production, as the user gives them or by default."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pipeline.usage import UsageError

TOPIC = "iris-messages"
SUBSCRIPTION = "iris-messages-pipeline"
DATASET = "uk_energy_prod"
SECRET = "iris-client-secret"  # noqa: S105 - its name
DRAIN_JOB = "iris-drain"
DATAFLOW_JOB = "gb-iris"
EMULATORS = ("BIGQUERY_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST")


@dataclass(frozen=True, slots=True)
class Place:
    """One deployment.

    Attributes:
        project: The Google Cloud project.
        region: Where its jobs run; None where the user did not say.
        dataset: The BigQuery dataset.
        topic: The topic's name, without the project.
        subscription: The subscription's name, without the project.
        local: Whether it is local servers that stand for the cloud.
    """

    project: str
    region: str | None = None
    dataset: str = DATASET
    topic: str = TOPIC
    subscription: str = SUBSCRIPTION
    local: bool = False

    @property
    def tables(self) -> str:
        """`project.dataset`."""
        return f"{self.project}.{self.dataset}"

    @property
    def topic_path(self) -> str:
        """`projects/P/topics/T`."""
        return f"projects/{self.project}/topics/{self.topic}"

    @property
    def subscription_path(self) -> str:
        """`projects/P/subscriptions/S`."""
        return f"projects/{self.project}/subscriptions/{self.subscription}"

    @property
    def raw_bucket(self) -> str:
        """The bucket of the raw archive."""
        return f"{self.project}-iris-raw"

    @property
    def staging_bucket(self) -> str:
        """The bucket of Dataflow's temporary files and templates."""
        return f"{self.project}-iris-staging"

    def account(self, name: str) -> str:
        """The e-mail address of a service account of the project."""
        domain, _, project = self.project.rpartition(":")
        suffix = f"{project}.{domain}" if domain else project
        return f"{name}@{suffix}.iam.gserviceaccount.com"

    def sql(self, command: str) -> str:
        """A command of `python -m sql` for this place."""
        return (
            f"python -m sql {command} --project {self.project} --dataset {self.dataset}"
        )

    def smoke(self, option: str) -> str:
        """A command of `python -m cloud smoke` for this place."""
        return (
            f"python -m cloud smoke --project {self.project} "
            f"--dataset {self.dataset} {option}"
        )


def is_local() -> bool:
    """Whether the environment names local servers.

    Raises:
        UsageError: It names one of two: messages would go to the one and be looked for
            in the other.
    """
    named = [name for name in EMULATORS if os.environ.get(name)]
    if len(named) == 1:
        (other,) = set(EMULATORS) - set(named)
        raise UsageError(f"{named[0]} is set and {other} is not: set both, or neither")
    return bool(named)
