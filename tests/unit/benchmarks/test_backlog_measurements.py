"""The measurements of a backlog, from the turns of its sides."""

import tarfile
from pathlib import Path

import pytest

from benchmarks import backlog, corpus
from benchmarks.backlog import Sides, Timed
from benchmarks.run_of_pipeline import PipelineRun


def run(seconds: float) -> PipelineRun:
    """A run of 1,000 records."""
    return PipelineRun(200, 1_000, seconds, 1.0, 300.0)


def test_ratios_are_of_all_turns() -> None:
    sides = Sides(
        loader=[Timed(100, 0.5), Timed(100, 1.5)],
        decoded=[Timed(1_000, 1.0), Timed(1_000, 3.0)],
        unpacked=[Timed(1_000, 2.0)],
        folder=[run(4.0), run(6.0)],
        archive=[run(10.0)],
    )
    faster, slower, archive = backlog.measurements(sides)
    assert faster.ratio == pytest.approx((1_000 / 5) / (100 / 1))
    assert slower.ratio == pytest.approx(5 / 2)
    assert archive.ratio == pytest.approx(10 / 2)


def test_folder_and_archive_have_the_same_records(tmp_path: Path) -> None:
    corpus.write(tmp_path / "backlog", 200)
    with tarfile.open(tmp_path / "backlog.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "backlog", "backlog")
    folder = backlog.timed(backlog.in_folder, tmp_path / "backlog")
    unpacked = backlog.timed(backlog.in_archive, tmp_path / "backlog.tar.gz")
    assert folder.records == unpacked.records > 200
