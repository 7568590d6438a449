"""The messages that the bridge and Elexon's loop are measured with."""

import pytest

from benchmarks.relay import payload, write_samples
from local.simulator.sample_folder import SampleFolder, iris_body


@pytest.mark.parametrize("body_bytes", [1_000, 60_000])
def test_a_body_has_the_size_asked_for_within_a_record(body_bytes):
    assert 0 <= len(iris_body(payload(body_bytes))) - body_bytes < 110


def test_every_message_has_an_id_of_its_own(tmp_path):
    write_samples(tmp_path / "samples", 50, 1_000)
    samples = list(SampleFolder(tmp_path / "samples").read())
    assert len({sample.message_id for sample in samples}) == 50
    assert {sample.payload for sample in samples} == {payload(1_000)}
