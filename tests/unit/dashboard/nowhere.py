"""A BigQuery that does not answer."""

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from local.ports import private_port


def client_of_nothing() -> bigquery.Client:
    return bigquery.Client(
        project="p",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": f"http://127.0.0.1:{private_port()}"},
    )
