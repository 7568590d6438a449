"""A graph that runs again and again is translated once; each run has fresh steps."""

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.round_runner import RoundRunner

NUMBERS, SEEN = [], []


class Read(beam.DoFn):
    """Emits what the round is about, and how often this object has been asked."""

    calls = 0

    def process(self, _):
        self.calls += 1
        yield from ((number, self.calls) for number in NUMBERS)


def see(pair):
    if pair[0] < 0:
        raise ValueError(f"no {pair[0]}")
    SEEN.append(pair)


@pytest.fixture
def rounds(monkeypatch):
    """A function that runs a graph over numbers, and a list as long as translations."""
    translated = []
    runner = RoundRunner()
    pipeline = beam.Pipeline(runner, PipelineOptions([]))
    _ = pipeline | beam.Impulse() | beam.ParDo(Read()) | beam.Map(see)
    translate = pipeline.to_runner_api

    def counted(**options):
        translated.append(1)
        return translate(**options)

    monkeypatch.setattr(pipeline, "to_runner_api", counted)

    def run(*numbers):
        NUMBERS[:], SEEN[:] = numbers, []
        runner.run_round(pipeline).wait_until_finish()
        return list(SEEN)

    return run, translated


def test_each_round_has_its_own_elements_and_fresh_steps(rounds):
    run, translated = rounds
    assert run(1, 2) == [(1, 1), (2, 1)]
    assert run() == []
    assert run(3) == [(3, 1)]
    assert translated == [1]


def test_a_round_that_fails_says_so_and_the_next_one_runs(rounds):
    run, translated = rounds
    for numbers in ([4], [-5], [6], [-7], [8]):
        if numbers[0] < 0:
            with pytest.raises(Exception, match=f"no {numbers[0]}"):
                run(*numbers)
        else:
            assert run(*numbers) == [(numbers[0], 1)]
    assert translated == [1]


def test_a_first_round_that_fails_changes_nothing(rounds):
    run, _ = rounds
    with pytest.raises(Exception, match="no -1"):
        run(-1)
    assert run(2) == [(2, 1)]
