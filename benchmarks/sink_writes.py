"""The same rows to BigQuery: with our sink, and with Beam's `WriteToBigQuery`."""

import base64
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import orjson
from apache_beam.io.gcp.bigquery import BigQueryDisposition, WriteToBigQuery
from apache_beam.io.gcp.bigquery_tools import RetryStrategy
from apache_beam.io.gcp.internal.clients.bigquery import BigqueryV2
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.external import JavaJarExpansionService
from google.cloud import bigquery

from local.bigquery import emulator
from pipeline.bigquery import client
from pipeline.bigquery.warehouse import Warehouse
from pipeline.core.batches import RowBatch, TableRow
from pipeline.registry import load_registry
from pipeline.steps.load_rows import LoadRows
from pipeline.steps.write_rows import WriteRows

RUNNER = "FnApiRunner"


class SinkTarget(NamedTuple):
    """Where rows go.

    Attributes:
        dataset: The BigQuery dataset.
        host: The server, `http://HOST:PORT`.
        files: The folder in which files wait to be loaded: a bucket of the server.
    """

    dataset: str
    host: str
    files: str


class Refusal(NamedTuple):
    """A row that a sink returns because BigQuery refused it.

    Attributes:
        error: Why, in BigQuery's words.
        kind: What comes back: the record as it came, or the row.
        content: That, as JSON.
        record_index: Its position in its message; None where the sink cannot say.
    """

    error: str
    kind: str
    content: str
    record_index: int | None


class Outcome(NamedTuple):
    """What a run reports.

    Attributes:
        refused: The rows that it returns as refused.
        error: The first line of its error; None where the run ended well.
    """

    refused: list[Refusal]
    error: str | None = None


# By method, such as FILE_LOADS.
Sink = Callable[[str, SinkTarget, Sequence[RowBatch]], Outcome]

# What the pipeline of this process returned. Beam copies what a step holds; a function
# that uses this list is not copied.
_kept: list[Any] = []


def ours(method: str, target: SinkTarget, batches: Sequence[RowBatch]) -> Outcome:
    """Writes rows as the product does; it returns dead letters."""
    warehouse = Warehouse(emulator.PROJECT, target.dataset)
    steps = {
        "STREAMING_INSERTS": WriteRows(warehouse.insert),
        "FILE_LOADS": LoadRows(warehouse.load, target.files),
        "STORAGE_WRITE_API": WriteRows(warehouse.append),
    }
    return _run(
        batches, lambda rows: (rows | steps[method]).dead_letters, refusal_of_letter
    )


def beams(method: str, target: SinkTarget, batches: Sequence[RowBatch]) -> Outcome:
    """Writes rows with Beam's sink; load jobs return no failed rows."""
    registry = load_registry()
    # Beam routes the row that it writes, so the row itself must lead to its table.
    tables = {
        record.record_id: registry[batch.dataset].table
        for batch in batches
        for record in batch.records
    }
    write = WriteToBigQuery(
        partial(_table_of, f"{emulator.PROJECT}:{target.dataset}", tables),
        method=method,
        create_disposition=BigQueryDisposition.CREATE_NEVER,
        # By default it repeats a row that BigQuery refuses 10,000 times.
        insert_retry_strategy=RetryStrategy.RETRY_ON_TRANSIENT_ERROR,
        custom_gcs_temp_location=target.files,
        validate=False,  # allows a folder of this machine
        test_client=LocalClients(target.host, target.files),
    )

    def written(rows: beam.PCollection) -> beam.PCollection | None:
        result = rows | write
        inserts_rows = method == "STREAMING_INSERTS"
        return result.failed_rows_with_errors if inserts_rows else None

    rows = [batch.values_of(record) for batch in batches for record in batch.records]
    return _run(rows, written, refusal_of_failed_row)


def _table_of(dataset: str, tables: dict[str, str], row: dict[str, Any]) -> str:
    return f"{dataset}.{tables[row['record_id']]}"


def _run(
    elements: Sequence[Any],
    write: Callable[[beam.PCollection], beam.PCollection | None],
    refusal_of: Callable[[Any], Refusal],
) -> Outcome:
    _kept.clear()
    options, error = PipelineOptions([f"--project={emulator.PROJECT}"]), None
    try:
        with beam.Pipeline(runner=RUNNER, options=options) as pipeline:
            refused = write(pipeline | beam.Create(elements, reshuffle=False))
            if refused is not None:
                _ = refused | "Keep refused" >> beam.Map(_keep)
    except Exception as failure:  # noqa: BLE001 - that a run fails is a result
        error = str(failure).splitlines()[0]
    return Outcome([refusal_of(each) for each in _kept], error)


def _keep(element: Any) -> None:
    _kept.append(element)


def refusal_of_letter(letter: TableRow) -> Refusal:
    values = letter.values
    record = base64.b64decode(values["payload"]).decode()
    return Refusal(values["error"], "record", record, values["record_index"])


def refusal_of_failed_row(
    failed: tuple[str, dict[str, Any], list[dict[str, str]]],
) -> Refusal:
    _, row, (error, *_) = failed
    text = f"{error['reason']}: {error['message']}"
    return Refusal(text, "row", orjson.dumps(row).decode(), None)


class LocalClients:
    """Both clients that Beam uses, for a server without credentials.

    Beam has no option for the address, but it takes this object instead of its clients.

    Args:
        host: The server, `http://HOST:PORT`.
        bucket: The folder of one of its buckets, into which Beam writes files.
    """

    def __init__(self, host: str, bucket: str) -> None:
        self._host = host
        self._bucket = bucket

    def __reduce__(self) -> tuple[Any, ...]:
        return LocalClients, (self._host, self._bucket)

    @cached_property
    def _inserts(self) -> bigquery.Client:
        return emulator.connect(self._host, dataset=None)

    @cached_property
    def _rest(self) -> Any:
        url = f"{self._host}/bigquery/v2/"
        return BigqueryV2(url=url, get_credentials=False, response_encoding="utf8")

    def insert_rows_json(self, *arguments: Any, **options: Any) -> Any:
        """As Google's client does."""
        return self._inserts.insert_rows_json(*arguments, **options)

    @property
    def tables(self) -> Any:
        """The service of tables."""
        return self._rest.tables

    @property
    def jobs(self) -> Any:
        """The service of jobs."""
        return Jobs(self._rest.jobs, self._bucket)


class Jobs:
    """The service of jobs, for which files of a bucket's folder are its objects.

    Beam has no client of Cloud Storage for a server of this machine: it writes files,
    and would name them so.
    """

    def __init__(self, service: Any, bucket: str) -> None:
        self._service = service
        self._bucket = Path(bucket)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)

    def Insert(self, request: Any, **options: Any) -> Any:  # noqa: N802 - its name
        """Starts a job."""
        if load := request.job.configuration.load:
            load.sourceUris = [self._object(path) for path in load.sourceUris]
        return self._service.Insert(request, **options)

    def _object(self, path: str) -> str:
        return f"gs://{Path(path).relative_to(self._bucket.parent)}"


def refusal_of_storage_api(jar: str, schema: Any) -> str:
    """Builds Beam's STORAGE_WRITE_API where there is no Java; returns what it says.

    Args:
        jar: Any file. Without it, Beam would download its Java program.
        schema: The schema of all rows, or a function of the table.
    """
    write = WriteToBigQuery(
        lambda _row: "project:dataset.table",
        method="STORAGE_WRITE_API",
        schema=schema,
        expansion_service=JavaJarExpansionService(jar),
    )
    with _variables(PATH="", JAVA_HOME=""):
        try:
            _ = beam.Pipeline(runner=RUNNER) | beam.Create([{"a": "b"}]) | write
        except (NotImplementedError, RuntimeError) as error:
            return str(error)
    raise RuntimeError("Beam's STORAGE_WRITE_API can be built without Java")


@contextmanager
def reached_at(host: str, grpc_port: int) -> Iterator[None]:
    """Lets our sink find a server."""
    _forget_clients()
    grpc = str(grpc_port)
    with _variables(BIGQUERY_EMULATOR_HOST=host, BIGQUERY_GRPC_PORT=grpc):
        try:
            yield
        finally:
            _forget_clients()


def _forget_clients() -> None:
    client.connect.cache_clear()
    client.connect_writer.cache_clear()


@contextmanager
def _variables(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, text in before.items():
            os.environ.pop(name)
            if text is not None:
                os.environ[name] = text
