"""Licences: of each package that an image or a user's machine installs."""

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

# They ask for a notice at most. MPL-2.0 asks for its own files' source, unchanged here.
ACCEPTED = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0"),
        *("CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0"),
        *("Unlicense", "Zlib"),
    }
)
# How packages without an SPDX expression say it.
SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
NAME = re.compile(r"^([A-Za-z0-9][\w.-]*)==(\S+)", re.MULTILINE | re.ASCII)


class Licence(NamedTuple):
    """The licence of a package, as an SPDX expression where it says one."""

    package: str
    version: str
    expression: str

    @property
    def is_accepted(self) -> bool:
        """Whether it is accepted: of alternatives one, else all of its parts."""
        parts = re.findall(r"[\w.+-]+", re.sub(r"\b(AND|OR)\b", " ", self.expression))
        fits = [part in ACCEPTED for part in parts]
        return all(fits) or (any(fits) and " AND " not in self.expression)


def packages_in(lock: Path) -> set[tuple[str, str]]:
    """The packages of a lock file, with their versions: of some two, by the system."""
    return set(NAME.findall(lock.read_text()))


def licences_of(names: Iterable[str]) -> Iterator[Licence]:
    """Those of packages that are installed here, as `make` has done."""
    for name in sorted(set(names)):
        try:
            found = distribution(name)
        except PackageNotFoundError:
            yield Licence(name, "", "not installed here")
        else:
            yield Licence(name, found.version, expression_of(found))


def expression_of(package: Distribution) -> str:
    """What the metadata of a package says of its licence."""
    said = package.metadata
    if "License-Expression" in said:
        return said["License-Expression"]
    classifiers = said.get_all("Classifier") or []
    named = [
        one.rpartition(" :: ")[2]
        for one in classifiers
        if one.startswith("License ::") and one.count("::") > 1
    ]
    if not named:
        named = [*(said.get_all("License") or []), "not said"]
        named = named[0].splitlines()[:1]
    return " OR ".join(SPELLINGS.get(one, one) for one in named)
