"""What a question of one day reads, beside one of all days."""

import pytest

from cloud.deployment import Deployment
from cloud.smoke.pruning import judged

DEPLOYMENT = Deployment("my-project", "europe-west2")


@pytest.mark.parametrize(
    ("of_day", "of_all", "verdict"),
    [
        (2_000_000, 900_000_000, "ok"),
        (900_000_000, 900_000_000, "FAILED"),
        (1_000, 1_000, "not known"),
    ],
)
def test_a_day_reads_its_share(of_day, of_all, verdict):
    finding = judged("pruning", of_day, of_all, DEPLOYMENT)
    assert finding.verdict == verdict
