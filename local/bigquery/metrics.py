"""Metrics: what the local BigQuery counts, for Prometheus."""

from local_bigquery import (
    app,
)
from starlette.responses import Response

from command.exposition import CONTENT_TYPE, Metrics

METRICS = Metrics(
    "iris_bigquery_",
    {
        "statements": "Query jobs that were run",
        "statement_failures": "Query jobs that ended with an error",
        "inserted_rows": "Rows of insertAll that were stored",
        "refused_rows": "Rows of insertAll that were not",
        "load_jobs": "Load jobs that were run",
    },
    {},
)


def install() -> None:
    """Adds /metrics to the server."""

    async def scrape() -> Response:
        return Response(METRICS.exposition(), media_type=CONTENT_TYPE)

    app.add_api_route("/metrics", scrape, include_in_schema=False)
