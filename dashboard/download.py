"""Download: the rows of a selection as a file, batch by batch."""

import tempfile
from pathlib import Path
from typing import BinaryIO, cast

from dashboard.browsing import Question
from dashboard.warehouse import Warehouse
from sql.query.formats import Answer, Write, write_csv, write_parquet

ENDINGS = {"csv": "CSV", "parquet": "Parquet"}
TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
# A day of the largest dataset. More is for `make query`, which needs no browser.
MOST_ROWS = 1_000_000
_WRITE: dict[str, Write] = {"csv": write_csv, "parquet": write_parquet}


def write_rows(warehouse: Warehouse, asked: Question, ending: str) -> tuple[Path, int]:
    """Writes a file of the rows; returns it, and how many rows it has.

    Raises:
        ReadError: BigQuery refuses, or does not answer.
    """
    batches = warehouse.batches(asked.limited(MOST_ROWS), asked.config())
    with tempfile.NamedTemporaryFile(suffix=f".{ending}", delete=False) as file:
        path = Path(file.name)
        try:
            answer = Answer(asked.fields, batches)
            count = _WRITE[ending](answer, cast(BinaryIO, file), None)
        except BaseException:
            path.unlink()
            raise
    return path, count


def file_name(asked: Question, day: object, ending: str) -> str:
    """`FUELINST-2026-05-06.csv`."""
    return f"{asked.dataset.name}{f'-{day}' if day else ''}.{ending}"
