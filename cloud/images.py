"""Images: those of pipeline and bridge, built with Cloud Build from this checkout."""

from __future__ import annotations

import argparse
import datetime as dt
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cloud import place
from cloud.place import Place

ROOT = Path(__file__).parents[1]
USER_ERROR = 2


class Images(NamedTuple):
    """The addresses of the images of one release."""

    pipeline: str
    bridge: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    place.configure(parser)
    parser.add_argument(
        "--tag", type=place.tag, help="name of this release (default: the time, in UTC)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print what it would do, and end"
    )


def run(options: argparse.Namespace) -> int:
    """Builds and pushes both images; prints their addresses."""
    images = images_of(place.of(options), options.tag)
    code = execute([build_command(place.of(options), images)], dry_run=options.dry_run)
    if code == 0 and not options.dry_run:
        print(f"pipeline_image = {images.pipeline}\nbridge_image = {images.bridge}")
    return code


def images_of(where: Place, tag: str | None) -> Images:
    """The images of a release: each has a tag of its own, so that one can go back."""
    tag = tag or dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S")
    return Images(where.image("pipeline", tag), where.image("bridge", tag))


def build_command(where: Place, images: Images) -> list[str]:
    """What builds the images from this checkout, and pushes them."""
    names = f"_PIPELINE={images.pipeline},_BRIDGE={images.bridge}"
    return [
        *("gcloud", "builds", "submit", str(ROOT)),
        f"--project={where.project}",
        f"--region={where.region}",
        f"--config={ROOT / 'templates' / 'cloudbuild.yaml'}",
        f"--ignore-file={Path('templates', 'gcloudignore')}",
        f"--substitutions={names}",
    ]


def execute(commands: Sequence[Sequence[str]], *, dry_run: bool) -> int:
    """Runs commands one after another, each shown before, until one fails.

    Returns:
        The exit code: that of what failed, 2 where gcloud is not installed.
    """
    for command in commands:
        print(f"$ {shlex.join(command)}", file=sys.stdout if dry_run else sys.stderr)
        if dry_run:
            continue
        if not shutil.which(command[0]):
            print(
                f"{command[0]} is not installed: https://cloud.google.com/sdk/docs/install",
                file=sys.stderr,
            )
            return USER_ERROR
        if code := subprocess.run(command, check=False).returncode:
            return code
    return 0
