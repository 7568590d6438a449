"""Images: pipeline, bridge, dashboard, built with Cloud Build from this checkout."""

import argparse
import datetime as dt
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cloud import bases
from cloud.deployment import (
    BUILD_REGION,
    BUILDER,
    Deployment,
    add_deployment_options,
    bucket_name,
    deployment_of,
    image_tag,
    region_name,
)
from command.usage import USER_ERROR, UsageError

ROOT = Path(__file__).parents[1]
NO_GCLOUD = (
    "gcloud is not installed. Install it: https://cloud.google.com/sdk/docs/install"
)
# What each image installs.
LOCKS = {
    "pipeline": ROOT / "templates/requirements.txt",
    "bridge": ROOT / "templates/bridge/requirements.txt",
    "dashboard": ROOT / "templates/dashboard/requirements.txt",
}
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Images(NamedTuple):
    """The addresses of the images of one release."""

    pipeline: str
    bridge: str
    dashboard: str


def configure(parser: argparse.ArgumentParser) -> None:
    add_deployment_options(parser)
    parser.add_argument(
        "--tag",
        type=image_tag,
        default=new_tag(),
        help="the name of this release (default: the current time in UTC, for example "
        "%(default)s)",
    )
    parser.add_argument(
        "--build-region",
        type=region_name,
        default=BUILD_REGION,
        help="where Cloud Build works; many new projects may use only some regions "
        "(default: %(default)s). The images are stored in --region",
    )
    parser.add_argument(
        "--builder",
        help="the account that builds, and that may write the images "
        "(default: iris-builder@PROJECT.iam.gserviceaccount.com)",
    )
    parser.add_argument(
        "--bucket",
        type=bucket_name,
        help="for the sources of a build, and for the template "
        "(default: PROJECT-iris-staging)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the commands, and run nothing"
    )


def run(options: argparse.Namespace) -> int:
    """Builds and pushes the images; prints their addresses.

    Raises:
        UsageError: The tag has images already, or a base image has no digest.
    """
    deployment = deployment_of(options)
    images = images_of(deployment, options.tag)
    if not options.dry_run and digest_of(deployment, images.pipeline):
        raise UsageError(
            f"--tag: {images.pipeline} exists, and a tag never moves to another image: "
            "use a new tag"
        )
    code = build(options, images)
    if code == 0 and not options.dry_run:
        for name, address in images._asdict().items():
            print(f"{name}_image = {address}")
    return code


def build(options: argparse.Namespace, images: Images) -> int:
    """Pins the base images, and builds the images; returns an exit code.

    Raises:
        UsageError: A base image has no digest, and its registry does not say one.
    """
    command = build_command(options, images)
    if options.dry_run:
        for base in bases.bases():
            if not base.digest:
                print(f"$ python -m cloud bases --pin  # {base.tag} has no digest")
                break
    else:
        try:
            bases.pin()
        except bases.NoDigestError as error:
            raise UsageError(str(error)) from None
    return execute([command], dry_run=options.dry_run)


def images_of(deployment: Deployment, tag: str) -> Images:
    """The images of a release."""
    return Images(*(deployment.image(name, tag) for name in Images._fields))


def new_tag() -> str:
    """A tag for a release without a name: the time, in UTC."""
    return dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S")


def build_command(options: argparse.Namespace, images: Images) -> list[str]:
    """The command that builds the images from this checkout, and pushes them.

    Cloud Build's own account, and the bucket that gcloud would create for the sources,
    in the United States, are not used: an organisation may forbid both.
    """
    deployment = deployment_of(options)
    named = images._asdict().items()
    names = ",".join(f"_{name.upper()}={address}" for name, address in named)
    account = options.builder or deployment.account(BUILDER)
    bucket = options.bucket or deployment.staging_bucket
    return [
        *("gcloud", "builds", "submit", str(ROOT)),
        f"--project={deployment.project}",
        f"--region={options.build_region}",
        f"--service-account=projects/{deployment.project}/serviceAccounts/{account}",
        f"--gcs-source-staging-dir=gs://{bucket}/builds",
        f"--config={ROOT / 'templates' / 'cloudbuild.yaml'}",
        f"--ignore-file={Path('templates', 'gcloudignore')}",
        f"--substitutions={names}",
    ]


def digest_of(deployment: Deployment, image: str) -> str | None:
    """The digest of an image in Artifact Registry; None if it is not there."""
    command = [
        *("gcloud", "artifacts", "docker", "images", "describe", image),
        f"--project={deployment.project}",
        "--format=value(image_summary.digest)",
    ]
    if not shutil.which(command[0]):
        raise UsageError(NO_GCLOUD)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    found = done.stdout.strip()
    return found if done.returncode == 0 and DIGEST.fullmatch(found) else None


def execute(commands: Sequence[Sequence[str]], *, dry_run: bool) -> int:
    """Prints and runs commands one after another, until one fails.

    Returns:
        The exit code of the command that failed; 2 if gcloud is not installed.
    """
    for command in commands:
        print(f"$ {shlex.join(command)}", file=sys.stdout if dry_run else sys.stderr)
        if dry_run:
            continue
        if not shutil.which(command[0]):
            print(NO_GCLOUD, file=sys.stderr)
            return USER_ERROR
        if code := subprocess.run(command, check=False).returncode:
            return code
    return 0
