"""templates/terraform as python-hcl2 reads it: modules, and their references."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "templates/terraform"

# Keys of a resource that belong to Terraform, and not to the provider.
META = {"count", "for_each", "depends_on", "lifecycle", "provider", "dynamic"}


@dataclass
class Module:
    """All .tf files of a folder.

    Attributes:
        resources: Bodies by `type.name`; data sources as `data.type.name`.
        calls: Bodies of module blocks by name.
    """

    folder: Path
    variables: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    locals: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, Any] = field(default_factory=dict)
    calls: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`.` for the root."""
        return "." if self.folder == FOLDER else self.folder.name

    def texts(self) -> Iterator[str]:
        """Every text with an expression in it."""
        for part in (self.outputs, self.locals, self.resources, self.calls):
            yield from expressions(part)

    def references(self, pattern: str) -> set[Any]:
        """Everything that a pattern finds in the expressions."""
        found = re.compile(pattern)
        return {match for text in self.texts() for match in found.findall(text)}


def plain(text: Any) -> Any:
    """A quoted text without its quotes."""
    is_quoted = isinstance(text, str) and len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1] if is_quoted else text


def expressions(part: Any) -> Iterator[str]:
    """Every text with an expression in a parsed part."""
    if isinstance(part, dict):
        for key, value in part.items():
            if not key.startswith("__"):
                yield from expressions(value)
    elif isinstance(part, list):
        for value in part:
            yield from expressions(value)
    elif isinstance(part, str) and "${" in part:
        yield part


def arguments(body: dict[str, Any]) -> dict[str, Any]:
    """The arguments and blocks of a body; dynamic blocks as if they were plain ones."""
    known = {key: value for key, value in body.items() if not key.startswith("__")}
    for dynamic in body.get("dynamic", []):
        for name, block in dynamic.items():
            if not name.startswith("__"):
                known.setdefault(plain(name), []).extend(block["content"])
    return {key: value for key, value in known.items() if key not in META}


def is_block(value: Any) -> bool:
    return isinstance(value, list) and any(
        isinstance(part, dict) and part.get("__is_block__") for part in value
    )


@cache
def module(folder: Path) -> Module:
    """The module in a folder."""
    found = Module(folder)
    for path in sorted(folder.glob("*.tf")):
        tree = hcl2.loads(path.read_text())
        for block in tree.get("locals", []):
            found.locals |= {k: v for k, v in block.items() if not k.startswith("__")}
        for kind, target in (
            ("variable", found.variables),
            ("output", found.outputs),
            ("module", found.calls),
        ):
            for block in tree.get(kind, []):
                target |= {plain(name): body for name, body in block.items()}
        for kind, prefix in (("resource", ""), ("data", "data.")):
            for block in tree.get(kind, []):
                for resource, named in block.items():
                    for name, body in named.items():
                        found.resources[f"{prefix}{plain(resource)}.{plain(name)}"] = (
                            body
                        )
    return found


def modules() -> list[Module]:
    """The root, and every module."""
    folders = sorted({path.parent for path in FOLDER.rglob("*.tf")})
    return [module(folder) for folder in folders]
