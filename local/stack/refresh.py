"""The refresh of a run: what has arrived is resolved now and then."""

import asyncio
import contextlib

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery
from requests.exceptions import RequestException

from command.tables_path import LOCAL_TABLES
from command.usage import UsageError
from sql.refresh.command import refresh

# A refresh takes a second or two of the local BigQuery, most of it to understand the
# statement: once a second, as the pipeline drains, would be all that it does.
EVERY_SECONDS = 300.0


async def now_and_then(client: bigquery.Client) -> None:
    """Refreshes at an interval, until it is cancelled."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        await once(client)


async def once(client: bigquery.Client) -> None:
    """Refreshes; if BigQuery is away or busy, the next time does it."""
    with contextlib.suppress(GoogleAPICallError, RequestException, UsageError):
        await asyncio.to_thread(refresh, client, LOCAL_TABLES)
