"""The bridge's Dockerfile as its instructions, for tests that have no Docker."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "templates/bridge"


class Instruction(NamedTuple):
    """One of a Dockerfile: `COPY`, and what follows it on the line."""

    name: str
    text: str


class Copy(NamedTuple):
    """A COPY from the build context: a path of the repository, and one of the image."""

    source: str
    target: str


def instructions(path: Path = FOLDER / "Dockerfile") -> list[Instruction]:
    """All of them, continued lines joined, comments left out."""
    lines = [x for x in path.read_text().splitlines() if not x.startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines))
    split = (line.split(maxsplit=1) for line in whole.splitlines() if line.strip())
    return [Instruction(name, text.strip()) for name, text in split]


def named(name: str) -> list[str]:
    """The texts of all instructions of a name."""
    return [one.text for one in instructions() if one.name == name]


def copies() -> list[Copy]:
    """What comes from the build context."""
    texts = [text for text in named("COPY") if not text.startswith("--from=")]
    return [Copy(*text.split()) for text in texts]
