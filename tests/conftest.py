"""What all tests share."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SAMPLES = Path(__file__).parents[1] / "local" / "samples"

# A shared machine may stall for seconds: a deadline would say nothing about the code.
settings.register_profile(
    "gb-iris", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("gb-iris")


@pytest.fixture(scope="session")
def samples() -> list[Path]:
    """The real payloads that ship with the product: `<DATASET>/<message_id>`."""
    return sorted(SAMPLES.glob("*/*.json"))
