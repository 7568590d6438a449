"""Notices: log lines on a schedule, once a minute and once a day."""

import asyncio
import logging
from collections import Counter
from datetime import UTC, date, datetime

from bridge.metrics import Metrics

log = logging.getLogger(__name__)

SUMMARY_SECONDS = 60.0
EXPIRY_SECONDS = 86_400.0
# A person with an Elexon account must create the new secret, and may be on holiday.
EXPIRY_NOTICE_DAYS = 30


def expiry_notice(expires: date, today: date) -> str | None:
    """The warning about the client secret; None while none is needed."""
    days = (expires - today).days
    remedy = "create a new one at https://bmrs.elexon.co.uk/iris"
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
