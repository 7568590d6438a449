"""The program that the flex template's launcher runs, with the parameters as options.

The launcher runs a file by its path. `pipeline/__main__.py` cannot be that file: its
folder would come first on the import path, with modules such as `files`.
"""

import os
import sys

from pipeline.command import main

# The address of this image, set in the image itself: workers run in the image that
# launches them, even if the launch request does not name it.
IMAGE = os.environ.get("GB_IRIS_IMAGE")


def arguments() -> list[str]:
    """The parameters of the template, with the image of the workers."""
    given = sys.argv[1:]
    if IMAGE and not any(one.startswith("--sdk_container_image") for one in given):
        given.append(f"--sdk_container_image={IMAGE}")
    return given


if __name__ == "__main__":
    sys.exit(main(arguments()))
