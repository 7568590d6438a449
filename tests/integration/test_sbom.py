"""The list of what is in each image: made by a tool that the first run fetches."""

import json
from pathlib import Path

import pytest

from cloud.__main__ import main
from cloud.audit.licences import packages_in
from cloud.images import LOCKS
from local import package_index

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        package_index.problem() is not None, reason="the tool is fetched: no network"
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sbom")
    assert main(["sbom", "--folder", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("image", LOCKS)
def test_the_list_of_an_image_has_each_package_of_its_lock_file(folder, image):
    content = json.loads((folder / f"{image}.cdx.json").read_text())
    assert content["bomFormat"] == "CycloneDX"
    listed = {(one["name"], one["version"]) for one in content["components"]}
    assert listed == packages_in(LOCKS[image])
