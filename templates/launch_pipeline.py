"""What the launcher of the flex template runs, with the parameters as options.

A file of its own, as the launcher wants one: `pipeline/__main__.py` run by its path
would have its folder, and so modules such as `files`, before all others.
"""

import os
import sys

from pipeline.command import main

# The image knows its own address, so that workers run in the image that launches them,
# whatever the launch request says of it.
IMAGE = os.environ.get("GB_IRIS_IMAGE")


def arguments() -> list[str]:
    """The parameters of the template, with the image of the workers."""
    given = sys.argv[1:]
    if IMAGE and not any(one.startswith("--sdk_container_image") for one in given):
        given.append(f"--sdk_container_image={IMAGE}")
    return given


if __name__ == "__main__":
    sys.exit(main(arguments()))
