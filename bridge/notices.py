"""Notices: what the bridge says of its own accord, once a minute and once a day."""

import asyncio
import logging
from collections import Counter
from datetime import UTC, date, datetime

from bridge.metrics import Metrics

log = logging.getLogger("bridge")

SUMMARY_SECONDS = 60.0
EXPIRY_SECONDS = 86_400.0
# A new secret takes a person with an Elexon account: a month spans any holiday.
EXPIRY_NOTICE_DAYS = 30


def expiry_notice(expires: date, today: date) -> str | None:
    """What to say about the client secret; None while there is nothing to say."""
    days = (expires - today).days
    remedy = "make a new one at https://bmrs.elexon.co.uk/iris"
    if days < 0:
        return f"the IRIS client secret expired on {expires}: {remedy}"
    if days <= EXPIRY_NOTICE_DAYS:
        return f"the IRIS client secret expires on {expires}, in {days} days: {remedy}"
    return None


async def warn_of_expiry(expires: date) -> None:
    """Warns daily, from `EXPIRY_NOTICE_DAYS` before; never ends."""
    while True:
        if text := expiry_notice(expires, datetime.now(UTC).date()):
            log.warning(text)
        await asyncio.sleep(EXPIRY_SECONDS)


async def summarize(metrics: Metrics) -> None:
    """Logs each minute's counts; never ends."""
    before = Counter(metrics.totals)
    while True:
        await asyncio.sleep(SUMMARY_SECONDS)
        now = Counter(metrics.totals)
        counts = {name: now[name] - before[name] for name in now}
        log.info("last minute", extra={"fields": counts})
        before = now
