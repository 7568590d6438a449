"""What the images install: packages of the product, and no tool of its developers."""

import tomllib

import pytest

from cloud.audit.licences import packages_in
from cloud.images import LOCKS, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def name_of(requirement: str) -> str:
    """`apache-beam` of `apache-beam[gcp]>=2.76,<3`."""
    for sign in "[<>=~! ;":
        requirement = requirement.partition(sign)[0]
    return requirement.lower()


EXTRAS = {
    extra: {name_of(one) for one in requirements}
    for extra, requirements in PROJECT["optional-dependencies"].items()
}
# Packages that another extra needs, too, are no tools alone.
TOOLS = EXTRAS["dev"] - {
    name for extra, names in EXTRAS.items() if extra != "dev" for name in names
}
# What a package of the product needs of them by itself.
NEEDED = {"cryptography"}  # tokens of Azure


def test_there_are_tools():
    assert {"pytest", "ruff", "mypy", "hypothesis", "playwright"} <= TOOLS


@pytest.mark.parametrize("lock", LOCKS.values(), ids=lambda lock: lock.parent.name)
def test_no_image_installs_a_tool_of_developers(lock):
    assert {name for name, _ in packages_in(lock)} & TOOLS <= NEEDED


@pytest.mark.parametrize("lock", LOCKS.values(), ids=lambda lock: lock.parent.name)
def test_an_image_installs_the_version_that_is_tested(lock):
    assert packages_in(lock) <= packages_in(ROOT / "requirements.lock")


@pytest.mark.parametrize("lock", LOCKS.values(), ids=lambda lock: lock.parent.name)
def test_every_package_of_an_image_is_known_by_its_hash(lock):
    blocks = lock.read_text().replace("\\\n", " ").splitlines()
    assert all("--hash=sha256:" in line for line in blocks if "==" in line)
