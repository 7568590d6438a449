"""`python -m cloud sbom`: what each image has in it, as a CycloneDX list.

The list is that of the lock file from which the image is built: each package with its
version and the hashes of its files. What the base image brings is in the list that the
registry makes of an image that is there.
"""

import argparse
import sys
from pathlib import Path

from cloud import fetched_tool
from cloud.images import LOCKS, ROOT
from command.usage import FAILED

TOOL = "cyclonedx-bom==7.5.0"
FOLDER = ROOT / "build" / "sbom"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder",
        type=Path,
        default=FOLDER,
        metavar="DIR",
        help="where the lists are written (default: build/sbom)",
    )


def run(options: argparse.Namespace) -> int:
    """Writes a list for each image; returns the exit code."""
    options.folder.mkdir(parents=True, exist_ok=True)
    for image, lock in LOCKS.items():
        target = options.folder / f"{image}.cdx.json"
        arguments = [
            *("cyclonedx-py", "requirements", str(lock), "--of", "JSON"),
            *("--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application"),
            *("--output-reproducible", "--output-file", str(target)),
        ]
        done = fetched_tool.run(TOOL, arguments)
        if done.returncode:
            said = fetched_tool.complaint(done)
            print(f"sbom: {TOOL} failed: {said}", file=sys.stderr)
            return FAILED
        print(target)
    return 0
