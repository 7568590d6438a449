"""`python -m sql docs`: docs/data.md, the page of every dataset, from the registry."""

import argparse
import sys
from pathlib import Path

from command.usage import UsageError
from pipeline.registry import load_registry
from sql.docs.data_page import data_page

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "data.md"
# Real messages, `<DATASET>/<message_id>`; the registry's contract is tested with them.
SAMPLES = ROOT / "local" / "samples"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, default=PAGE, help="the file (default: %(default)s)"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit code 1 if the file is out of date",
    )


def run(options: argparse.Namespace) -> int:
    """Writes the page, or compares it with the file."""
    page, output = data_page(load_registry(), real_datasets()), options.output
    try:
        if options.check:
            return _check(page, output)
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from error
    print(output)
    return 0


def real_datasets() -> set[str]:
    """The datasets of which the tests have a real message."""
    return {path.parent.name for path in SAMPLES.glob("*/*.json")}


def _check(page: str, output: Path) -> int:
    if output.exists() and output.read_text(encoding="utf-8") == page:
        return 0
    text = f"{output} is out of date: run `python -m sql docs`"
    print(f"python -m sql docs: {text}", file=sys.stderr)
    return 1
