"""Images: those of pipeline and bridge, built with Cloud Build from this checkout."""

import argparse
import datetime as dt
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cloud.deployment import (
    Deployment,
    add_deployment_options,
    deployment_of,
    image_tag,
)
from command.usage import USER_ERROR

ROOT = Path(__file__).parents[1]


class Images(NamedTuple):
    """The addresses of the images of one release."""

    pipeline: str
    bridge: str


def configure(parser: argparse.ArgumentParser) -> None:
    add_deployment_options(parser)
    parser.add_argument(
        "--tag",
        type=image_tag,
        help="the name of this release (default: the current time in UTC)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the commands, and run nothing"
    )


def run(options: argparse.Namespace) -> int:
    """Builds and pushes both images; prints their addresses."""
    deployment = deployment_of(options)
    images = images_of(deployment, options.tag)
    code = execute([build_command(deployment, images)], dry_run=options.dry_run)
    if code == 0 and not options.dry_run:
        print(f"pipeline_image = {images.pipeline}\nbridge_image = {images.bridge}")
    return code


def images_of(deployment: Deployment, tag: str | None) -> Images:
    """The images of a release: each release has its own tag, for a rollback."""
    tag = tag or dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S")
    return Images(deployment.image("pipeline", tag), deployment.image("bridge", tag))


def build_command(deployment: Deployment, images: Images) -> list[str]:
    """The command that builds the images from this checkout, and pushes them."""
    names = f"_PIPELINE={images.pipeline},_BRIDGE={images.bridge}"
    return [
        *("gcloud", "builds", "submit", str(ROOT)),
        f"--project={deployment.project}",
        f"--region={deployment.region}",
        f"--config={ROOT / 'templates' / 'cloudbuild.yaml'}",
        f"--ignore-file={Path('templates', 'gcloudignore')}",
        f"--substitutions={names}",
    ]


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
            print(
                f"{command[0]} is not installed. Install it: "
                "https://cloud.google.com/sdk/docs/install",
                file=sys.stderr,
            )
            return USER_ERROR
        if code := subprocess.run(command, check=False).returncode:
            return code
    return 0
