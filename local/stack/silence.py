"""Silence: parts that run and answer nothing, which no end of a process shows."""

import asyncio
from collections.abc import Callable

from command import network
from local.process import Child
from local.stack.services import Services

# Where each part answers; without `MODE=drain` the pipeline answers nowhere.
ADDRESSES = {
    "IRIS simulator": "IRIS_CONTROL_URL",
    "bridge": "BRIDGE_URL",
    "Pub/Sub": "PUBSUB_METRICS_URL",
    "pipeline": "PIPELINE_METRICS_URL",
    "BigQuery": "BIGQUERY_EMULATOR_HOST",
    "dashboard": "DASHBOARD_URL",
}
# With the time for an answer, half a minute at most.
LOOK_SECONDS = 10.0


class Silence:
    """Which parts do not answer.

    Args:
        services: The parts.
        say: Tells the user.
    """

    def __init__(self, services: Services, say: Callable[[str], None]) -> None:
        self._services, self._say = services, say
        self._silent: dict[str, int] = {}

    async def watch(self) -> None:
        """Says which part falls silent and which answers again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            parts = [part for part in self._services.children if self._is_up(part)]
            found = await asyncio.gather(*map(self._answers, parts))
            for part, answers in zip(parts, found, strict=True):
                self._note(part, answers=answers)

    def _is_up(self, part: Child) -> bool:
        return part.exit_code is None and self._services.is_ready(part)

    async def _answers(self, part: Child) -> bool:
        url = self._services.environment.get(ADDRESSES.get(part.name, ""))
        if url is None:
            return True
        return await asyncio.to_thread(network.answers, url, network.BUSY_SECONDS)

    def _note(self, part: Child, *, answers: bool) -> None:
        if answers:
            if self._silent.pop(part.name, None) == part.pid:
                self._say(f"{part.name} answers again")
        elif self._is_up(part) and self._silent.get(part.name) != part.pid:
            self._silent[part.name] = part.pid
            self._say(
                f"{part.name} runs, and does not answer, see {part.log}: what is under "
                f"way waits for it; `kill -9 {part.pid}` lets it be started again"
            )
