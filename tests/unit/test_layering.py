"""Which room may import what: read from the code, without running it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    *("command", "bridge", "pipeline", "gb_iris"),
    *("sql", "cloud", "local", "benchmarks", "analysis", "dashboard"),
)
# A package imports only from those named here, and from itself.
ALLOWED = {
    "command": set(),
    "bridge": {"command"},
    "pipeline": {"command"},
    "gb_iris": {"command", "pipeline"},
    "analysis": {"command", "gb_iris"},
    "sql": {"command", "pipeline"},
    "dashboard": {"command", "gb_iris", "pipeline", "sql"},
    "cloud": {"command", "pipeline", "sql"},
    "local": {"command", "bridge", "pipeline", "sql"},
    "benchmarks": {
        *("command", "bridge", "pipeline", "gb_iris", "sql", "local", "dashboard")
    },
}
# The rooms of the pipeline, from the ground up: none imports from one above it.
FLOORS = (
    {"pipeline.registry", "pipeline.datasets", "pipeline.away"},
    {"pipeline.core"},
    {"pipeline.files"},
    {"pipeline.bigquery"},
    {"pipeline.steps"},
    {
        "pipeline.graph",
        "pipeline.round_runner",
        "pipeline.subscription",
        "pipeline.metrics",
    },
    {"pipeline.options", "pipeline.plans", "pipeline.drain", "pipeline.left_ledger"},
    {"pipeline.command"},
    {"pipeline.__main__"},
)
CLOUD_LIBRARIES = {"apache_beam", "google", "azure", "grpc", "requests"}


def modules() -> dict[str, Path]:
    """The file of each module of the product; a package's is its `__init__`."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = path
    return found


MODULES = modules()


def imports(path: Path) -> Iterator[str]:
    """What a file imports, wherever in it: each name as deep as it is a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports hide where a name is from"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else str(node.module)


IMPORTS = {name: set(imports(path)) for name, path in MODULES.items()}


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def from_outside(name: str) -> set[str]:
    """The other packages that a module imports from, ours and others."""
    return {each.partition(".")[0] for each in IMPORTS[name]} - {name.partition(".")[0]}


def test_every_module_is_in_the_picture():
    assert len(MODULES) > 200
    assert "pipeline.core.decoding" in IMPORTS["pipeline.steps.decode"]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_from_those_below_it(package):
    reached = {
        (name, other)
        for name in MODULES
        if within(name, package)
        for other in from_outside(name) & set(PACKAGES)
    }
    assert {pair for pair in reached if pair[1] not in ALLOWED[package]} == set()


def test_command_needs_the_standard_library_alone():
    for name in MODULES:
        if within(name, "command"):
            others = from_outside(name) - set(sys.stdlib_module_names) - {"_typeshed"}
            assert others == set(), name


@pytest.mark.parametrize("room", ["pipeline.core", "pipeline.registry"])
def test_the_core_knows_nothing_of_beam_google_and_azure(room):
    for name in MODULES:
        if within(name, room):
            assert from_outside(name) & CLOUD_LIBRARIES == set(), name


def test_reading_needs_nothing_of_the_pipeline_but_the_registry():
    taken = {
        other
        for name in MODULES
        if within(name, "gb_iris")
        for other in IMPORTS[name]
        if within(other, "pipeline")
    }
    assert taken == {"pipeline.registry"}


def test_importing_gb_iris_loads_neither_beam_nor_azure():
    code = (
        "import sys, gb_iris; print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "google" in loaded
    assert {"apache_beam", "azure"} & set(loaded) == set()


def test_no_room_of_the_pipeline_imports_from_one_above_it():
    def floor(name: str) -> int:
        for number, rooms in enumerate(FLOORS):
            if any(within(name, room) for room in rooms):
                return number
        raise AssertionError(f"{name} is in no room")

    ours = [name for name in MODULES if within(name, "pipeline") and name != "pipeline"]
    up = {
        (name, other)
        for name in ours
        for other in IMPORTS[name]
        if within(other, "pipeline") and other != "pipeline"
        if floor(other) > floor(name)
    }
    assert up == set()


def test_no_modules_import_each_other_in_a_circle():
    graph = {name: IMPORTS[name] & set(MODULES) - {name} for name in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_rooms_import_each_other_in_a_circle():
    """Folders as whole rooms; the modules beside them are rooms of their own."""

    def room(name: str) -> str:
        return name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]

    packages = {name for name in MODULES if MODULES[name].name == "__init__.py"}
    graph: dict[str, set[str]] = {}
    for name in MODULES:
        inside = room(name) if room(name) not in PACKAGES else name
        for other in IMPORTS[name] & set(MODULES):
            outside = room(other) if room(other) not in PACKAGES else other
            if inside != outside and outside not in PACKAGES:
                graph.setdefault(inside, set()).add(outside)
    assert packages
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
