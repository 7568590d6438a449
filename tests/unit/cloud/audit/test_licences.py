"""The licences of what the images install."""

import pytest

from cloud.audit.licences import Licence, licences_of, packages_in
from cloud.images import LOCKS


def test_each_lock_file_names_packages():
    assert all(len(packages_in(lock)) > 20 for lock in LOCKS.values())


def test_every_package_of_an_image_has_an_accepted_licence():
    names = {name for lock in LOCKS.values() for name, _ in packages_in(lock)}
    assert [one for one in licences_of(names) if not one.is_accepted] == []


@pytest.mark.parametrize(
    ("expression", "accepted"),
    [
        ("MIT", True),
        ("GPL-3.0-or-later", False),
        ("AGPL-3.0-only", False),
        ("not said", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0", True),
        ("LGPL-3.0-only", False),
    ],
)
def test_of_alternatives_one_must_be_accepted_and_of_parts_all(expression, accepted):
    assert Licence("one", "1", expression).is_accepted is accepted


def test_a_package_that_is_not_there_is_not_accepted():
    [found] = licences_of(["no-such-package"])
    assert found.expression == "not installed here"
    assert not found.is_accepted
