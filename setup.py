"""For Dataflow's `--setup_file`; everything is said in pyproject.toml."""

from setuptools import setup

setup()
