"""The live feed at the start of a run: whether it can be read, within seconds."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bridge import check, notices, settings
from bridge.check import Finding
from bridge.settings import Survey
from command.usage import UsageError
from local.stack.iris_source import stale_addresses


def look(environment: Mapping[str, str], folder: Path) -> str:
    """Tries the queue as the bridge will do; returns what the user should know.

    Args:
        environment: The process environment.
        folder: Where `.env` may be.

    Raises:
        UsageError: The user must correct something: to wait does not help.
    """
    environment = {**environment, **stale_addresses(environment)}
    found = settings.survey(environment, folder)
    # The run has a topic of its own.
    found = replace(found, settings=replace(found.settings, topic=""))
    logging.disable()  # a failure is one line below
    try:
        findings = asyncio.run(_examine(found))
    finally:
        logging.disable(logging.NOTSET)
    clock = findings.pop(check.CLOCK, None)  # the bridge works all the same
    failed = [finding for finding in findings.values() if finding.works is False]
    for finding in failed:
        if finding.is_final:
            raise UsageError(finding.text)
    lines = [clock.text] if clock else []
    if failed:
        text = f"IRIS: {failed[0].text}; trying again until it works"
        return "\n".join([text, *lines])
    expires, today = found.settings.secret_expires, datetime.now(UTC).date()
    if expires and (notice := notices.expiry_notice(expires, today)):
        lines.append(notice)
    return "\n".join([f"IRIS: connected; {findings['queue'].text}", *lines])


async def _examine(found: Survey) -> dict[str, Finding]:
    return {finding.part: finding async for finding in check.examine(found)}
