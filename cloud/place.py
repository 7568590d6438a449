"""A place: the project and region of a deployment, and the names of what is in it.

The names are those that `templates/terraform/` gives.
"""

from __future__ import annotations

import argparse
import re
from typing import NamedTuple

REPOSITORY = "gb-iris"
JOB = "gb-iris"
DATASET = "uk_energy_prod"

# https://cloud.google.com/resource-manager/docs/creating-managing-projects, with the
# domain of older ones.
_PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


class Place(NamedTuple):
    """Where gb-iris is deployed."""

    project: str
    region: str

    def image(self, name: str, tag: str) -> str:
        """The address of an image in Artifact Registry."""
        return f"{self.region}-docker.pkg.dev/{self.project}/{REPOSITORY}/{name}:{tag}"

    @property
    def bucket(self) -> str:
        """The bucket of the template, and of Dataflow's temporary files."""
        return f"{self.project}-iris-staging"

    @property
    def subscription(self) -> str:
        """What the pipeline reads."""
        return f"projects/{self.project}/subscriptions/iris-messages-pipeline"

    @property
    def pipeline_account(self) -> str:
        """The service account of the workers."""
        return f"iris-pipeline@{self.project}.iam.gserviceaccount.com"


def template_path(bucket: str) -> str:
    """Where the template's container spec is."""
    return f"gs://{bucket}/templates/gb-iris.json"


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds --project and --region."""
    parser.add_argument("--project", required=True, type=_project, metavar="ID")
    parser.add_argument(
        "--region", required=True, type=_region, help="such as europe-west2 (London)"
    )


def of(options: argparse.Namespace) -> Place:
    """The place that the options name."""
    return Place(options.project, options.region)


def _checked(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no {what}")
    return text


def _project(text: str) -> str:
    return _checked(_PROJECT, text, "project id")


def _region(text: str) -> str:
    return _checked(_REGION, text, "region such as europe-west2")


def tag(text: str) -> str:
    """The type of an option that is an image's tag."""
    return _checked(_TAG, text, "tag of an image")


def bucket(text: str) -> str:
    """The type of an option that is a bucket, with or without gs://."""
    return _checked(_BUCKET, text.removeprefix("gs://").rstrip("/"), "bucket")
