"""Mixture: the demo's invented market and the real one never share tables.

Views could not tell their rows apart: they are of the same hours, and often of the same
units.
"""

from command.data_state import read_json
from command.usage import UsageError
from local.data_folder import DataFolder
from local.stack.plan import Plan

DEMO_STATE = "demo-feed.json"
BRIDGE_STATE = "bridge-state.json"


def refuse_mixture(plan: Plan) -> None:
    """Checks that a run adds no rows of the one market to those of the other.

    Raises:
        UsageError: It would. SAMPLES are what the user says, and never refused.
    """
    path = plan.data.path
    if not plan.simulator and (path / DEMO_STATE).exists():
        raise UsageError(
            f"{path} has rows of the demo, whose market is invented: add DATA=.live "
            "(or the name of another folder) to keep them apart, or remove the folder"
        )
    if plan.simulator and not plan.samples and (queue := _live_queue(plan.data)):
        raise UsageError(
            f"{path} has rows of the live feed ({queue}), and the demo's market is "
            "invented: give the credentials again, or add DATA=.demo (or the name of "
            "another folder)"
        )


def _live_queue(data: DataFolder) -> str | None:
    """The queue of the live feed that a bridge has read here; None if there is none."""
    for file in sorted(data.path.glob(BRIDGE_STATE.replace(".", "*."))):
        try:
            state = read_json(file) or {}
        except ValueError:  # the bridge begins a new one
            continue
        queue = str(state.get("queue", ""))
        # A run reads the live feed with credentials, a simulator by its address.
        if state.get("published") and " at sb://" not in queue:
            return queue
    return None
