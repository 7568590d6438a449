"""The flex template: its image, and the container spec that names it.

This module writes the spec itself: `gcloud dataflow flex-template build` leaves out
whether the template streams, and which streaming modes it supports.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from cloud import images
from cloud.deployment import bucket_name, deployment_of, template_path
from cloud.images import ROOT, build_command, execute, images_of

METADATA = ROOT / "templates" / "metadata.json"
SPEC = ROOT / "build" / "template" / "gb-iris.json"


def configure(parser: argparse.ArgumentParser) -> None:
    images.configure(parser)
    parser.add_argument(
        "--bucket",
        type=bucket_name,
        help="where the template is published (default: PROJECT-iris-staging)",
    )


def run(options: argparse.Namespace) -> int:
    """Builds the images and publishes the template."""
    deployment = deployment_of(options)
    built = images_of(deployment, options.tag)
    spec = json.dumps(container_spec(built.pipeline), indent=2) + "\n"
    published = template_path(options.bucket or deployment.staging_bucket)
    if not options.dry_run:
        SPEC.parent.mkdir(parents=True, exist_ok=True)
        SPEC.write_text(spec)
    project = f"--project={deployment.project}"
    commands = [
        build_command(deployment, built),
        ["gcloud", "storage", "cp", str(SPEC), published, project],
    ]
    code = execute(commands, dry_run=options.dry_run)
    if options.dry_run:
        print(f"with {SPEC}:\n{spec}", end="")
    elif code == 0:
        print(f"{published} runs {built.pipeline}")
    return code


def container_spec(image: str, metadata: Path = METADATA) -> dict[str, Any]:
    """The container spec, as JSON: ContainerSpec of the Dataflow API v1b3.

    Args:
        image: The image of the pipeline; workers use it, too.
        metadata: The file of the template's parameters.
    """
    return {
        "image": image,
        "sdkInfo": {"language": "PYTHON"},
        "metadata": json.loads(metadata.read_text()),
        "defaultEnvironment": {
            "sdkContainerImage": image,
            "enableStreamingEngine": True,
        },
    }
