"""`python -m tests.faults.reliability`: writes docs/reliability.md from the tests.

A test that proves what a fault costs says so in its marker `promise`. The page is the
table of these markers.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
FOLDERS = ("tests/faults", "tests/integration")
PARTS = {
    "bridge": "The bridge: from IRIS to Pub/Sub",
    "pipeline": "The pipeline: from Pub/Sub to BigQuery",
    "cloud": "The cloud: jobs, releases, rights and quotas",
    "one machine": "Everything on one machine",
    "local BigQuery": "The local BigQuery",
}
HEAD = """\
<!-- Made by `.venv/bin/python -m tests.faults.reliability` from the tests. -->

# What a fault costs

Each line stands at a test, on real servers: the tests kill, freeze, cut and fill the
parts, and then compare what was sent with what has arrived. What is *lost* and
*doubled* is what the test asserts; the times are those of the code's own limits. *Lost*
are messages or records that are in no table and on no queue; *doubled* are those that a
view shows twice, unless it says otherwise. A message that comes twice is dropped or
counted as a duplicate: the ledger stays balanced.

`make test-faults` runs these tests and all others that break parts. `make soak` runs
the whole system for hours at 20 times IRIS's rate, with random faults from a seed, and
looks for every record at the end; it also measures whether memory, files and
connections stay flat.

What to do about each symptom is in [Operations](operations.md).
"""
FREED = "[finding](../findings/duckdb_freed_blocks.sh)"
GROWTH = (
    (
        "local BigQuery",
        f"DuckDB's records of blocks that it has freed ({FREED})",
        "10 MB for each of its eight queues, which fill at different speeds",
    ),
    (
        "local BigQuery",
        "results of queries, 35 KB each",
        "they are ten minutes old",
    ),
    (
        "local BigQuery",
        "statistics of a table for each insert, 256 bytes for a column",
        "they are two minutes old",
    ),
    (
        "local BigQuery",
        "changes of its catalogue",
        "ten seconds later they are in its file",
    ),
    (
        "pipeline",
        "ids of records, to recognise copies: 34 bytes each",
        "a day (`--dedup_horizon_hours`), or 5 million: 170 MB",
    ),
    ("bridge, Pub/Sub", "nothing", ""),
)
GROWTH_HEAD = """\
## What grows in a long run

`make soak` reports how memory, files and connections of each part rise in an hour. What
rises has a cause and an end ([what was
measured](performance.md#two-hours-with-faults)):

| part | what rises | until |
|---|---|---|"""
COLUMNS = "| fault | what happens | lost | doubled | recovery | what you see | test |"


TAIL = """\
## What only a cloud can show

Nothing here has run in Google Cloud. These were not tried, and no line above says
anything of them:

- a stream on Dataflow: its update, drain and rollback, workers that die, its own
  dead-letter handling; the same plan runs on Beam's runners, in a process
- Cloud Run and Cloud Scheduler: whether an execution overlaps the next one, how a job
  is ended at its timeout, how long a worker pool runs two bridges
- Pub/Sub's own service: `seek` was tried on Google's emulator, redelivery and
  dead-letter topics on the embedded one, zonal outages on none
- BigQuery's own quotas and outages: the refusals above are its documented answers, from
  a proxy before the local BigQuery; how long its streaming buffer holds rows, and how
  it drops a repeated insert, is by its documentation
- Cloud Storage: the bucket is a folder behind Beam's interface
- the end of a real secret at Elexon: Entra ID is a local server with its error texts
- IAM as such: roles are checked in Terraform's files, and a refusal is a 403 of a proxy
- a region that is away, and the organisation's policies
"""


class Promise(NamedTuple):
    """What a test proves of a fault."""

    part: str
    fault: str
    happens: str
    lost: str
    doubled: str
    recovery: str
    sees: str
    test: str

    def line(self) -> str:
        """Its line in the table."""
        return f"| {' | '.join(self[1:-1])} | {self.test} |"


def promises() -> Iterator[Promise]:
    """Those of all tests, in the order of files and lines."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).glob("test_*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.FunctionDef):
                    yield from _of_test(path, node)


def _of_test(path: Path, test: ast.FunctionDef) -> Iterator[Promise]:
    for marker in test.decorator_list:
        if isinstance(marker, ast.Call) and ast.unparse(marker.func).endswith(
            ".promise"
        ):
            said = {str(k.arg): ast.literal_eval(k.value) for k in marker.keywords}
            where = path.relative_to(ROOT)
            link = f"[{path.stem.removeprefix('test_')}](../{where})"
            yield Promise(**said, test=link)


def page() -> str:
    """The text of the page."""
    found = list(promises())
    lines = [HEAD]
    for part, title in PARTS.items():
        lines += [f"## {title}", "", COLUMNS, "|" + "---|" * 7]
        lines += [each.line() for each in found if each.part == part] + [""]
    lines += [GROWTH_HEAD, *(f"| {' | '.join(row)} |" for row in GROWTH), ""]
    return "\n".join([*lines, TAIL])


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE.relative_to(ROOT)}")
