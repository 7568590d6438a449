"""What runs of three sizes show about growth."""

import pytest

from benchmarks import growth
from benchmarks.run_of_pipeline import PipelineRun


def run(records: int, seconds: float) -> PipelineRun:
    """A run of this number of records."""
    return PipelineRun(records, records, seconds, seconds / 2, 200.0)


def test_each_step_is_compared_with_the_one_before() -> None:
    runs = [run(100, 1.0), run(400, 4.0), run(1_600, 20.0)]
    to_four, to_sixteen = growth.grown("--files", runs)
    assert to_four.ratio == pytest.approx(1.0)
    assert to_sixteen.ratio == pytest.approx(1.25)
    assert (to_four.is_met, to_sixteen.is_met) == (True, False)


def test_the_start_is_not_part_of_an_additional_record() -> None:
    """Ten seconds of start, and a hundredth of one for each record."""
    runs = [run(100, 11.0), run(400, 14.0), run(1_600, 26.0)]
    assert [one.context["further_record_us"] for one in growth.grown("", runs)] == (
        pytest.approx([10_000, 10_000])
    )


def test_corpus_has_as_many_messages_as_asked_for() -> None:
    files = list(growth.few_datasets(13, 2))
    assert len({file.message_id for file in files}) == 13
