"""`python -m cloud COMMAND`: deploys gb-iris to Google Cloud, from your machine."""

import atexit
import gc
import sys
from collections.abc import Sequence

from command import dispatch
from command.dispatch import Command
from command.output import let_reader_leave

COMMANDS = {
    "images": Command(
        "cloud.images", "build the images of pipeline, bridge and dashboard"
    ),
    "bases": Command("cloud.bases", "pin the images that ours build on by digest"),
    "template": Command(
        "cloud.template", "publish the Dataflow flex template of a release"
    ),
    "launch": Command("cloud.launch", "start, update or drain the streaming job"),
    "smoke": Command(
        "cloud.smoke.command",
        "check a deployment with a few messages, from topic to views",
    ),
    "audit": Command(
        "cloud.audit.command", "advisories, secrets and licences of what is shipped"
    ),
    "sbom": Command("cloud.sbom", "what each image has in it, as a CycloneDX list"),
    "cost": Command("cloud.cost.command", "what a month costs"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names; returns its exit code."""
    return dispatch.run("python -m cloud", __doc__, COMMANDS, arguments)


if __name__ == "__main__":
    # The collector would go through all libraries once more, as it ends: 0.3 s.
    atexit.register(gc.freeze)
    let_reader_leave()
    sys.exit(main())
