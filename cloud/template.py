"""The flex template: the container spec of a release, which names its image.

This module writes the spec itself: `gcloud dataflow flex-template build` leaves out
whether the template streams, and which streaming modes it supports. Each release has
its own spec, with the digest of its image, so that an earlier release is launched again
without a build.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from cloud import images
from cloud.deployment import deployment_of, template_path
from cloud.images import ROOT, digest_of, execute, images_of
from command.usage import UsageError

METADATA = ROOT / "templates" / "metadata.json"
SPEC = ROOT / "build" / "template" / "gb-iris.json"

configure = images.configure


def run(options: argparse.Namespace) -> int:
    """Publishes the template of a release; builds its images if there are none.

    Raises:
        UsageError: The image is not there after the build, or a base has no digest.
    """
    deployment = deployment_of(options)
    built = images_of(deployment, options.tag)
    if options.dry_run:
        return _show(options)
    digest = digest_of(deployment, built.pipeline)
    if digest is None:
        if code := images.build(options, built):
            return code
        digest = digest_of(deployment, built.pipeline)
    if digest is None:
        raise UsageError(f"{built.pipeline} does not exist: the build did not push it")
    image = deployment.image_of("pipeline", digest)
    SPEC.parent.mkdir(parents=True, exist_ok=True)
    SPEC.write_text(_text_of(image))
    published = _published(options)
    code = execute([_publish(options)], dry_run=False)
    if code == 0:
        print(
            f"{published} runs {image}\nlaunch it: make launch "
            f"PROJECT={deployment.project} REGION={deployment.region} TAG={options.tag}"
        )
    return code


def _show(options: argparse.Namespace) -> int:
    """Prints what would be done; the digest is known only after the build."""
    deployment = deployment_of(options)
    built = images_of(deployment, options.tag)
    images.build(options, built)
    execute([_publish(options)], dry_run=True)
    image = deployment.image_of("pipeline", f"sha256:{'0' * 64}")
    print(f"with {SPEC}, whose digest is that of the build:\n{_text_of(image)}", end="")
    return 0


def _publish(options: argparse.Namespace) -> list[str]:
    published, project = _published(options), f"--project={options.project}"
    return ["gcloud", "storage", "cp", str(SPEC), published, project]


def _published(options: argparse.Namespace) -> str:
    bucket = options.bucket or deployment_of(options).staging_bucket
    return template_path(bucket, options.tag)


def _text_of(image: str) -> str:
    return json.dumps(container_spec(image), indent=2) + "\n"


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
