"""For Dataflow's `--setup_file`; everything is said in pyproject.toml.

Workers install it without extras: what `pipeline` adds is in Beam's own image.
"""

from setuptools import setup

setup()
