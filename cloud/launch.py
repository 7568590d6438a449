"""Launching: the streaming job on Dataflow, its update, and its drain."""

import argparse
import json
import re
import sys
from collections.abc import Iterable
from typing import Any

from google.api_core.exceptions import Forbidden, GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.cloud import dataflow_v1beta3 as dataflow

from cloud.credentials import no_credentials
from cloud.deployment import (
    DATAFLOW_JOB,
    Deployment,
    add_deployment_options,
    bucket_name,
    deployment_of,
    image_digest,
    image_tag,
    template_path,
)
from cloud.smoke.findings import Verdict
from cloud.smoke.tables import findings
from cloud.template import METADATA, container_spec
from command.tables_path import DATASET
from command.usage import USER_ERROR, UsageError
from pipeline.bigquery.client import connect
from pipeline.registry import load_registry

MODES = {
    mode.name.removeprefix("STREAMING_MODE_").lower(): mode
    for mode in (
        dataflow.StreamingMode.STREAMING_MODE_EXACTLY_ONCE,
        dataflow.StreamingMode.STREAMING_MODE_AT_LEAST_ONCE,
    )
}
_PRIVATE = dataflow.WorkerIPAddressConfiguration.WORKER_IP_PRIVATE
# Parameters of the template that are options of this command.
_OWN = ("subscription", "dataset")


def configure(parser: argparse.ArgumentParser) -> None:
    add_deployment_options(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--update",
        action="store_true",
        help="replace the running job with this template",
    )
    what.add_argument(
        "--drain",
        action="store_true",
        help="end the running job when its messages in flight are written; the other "
        "messages wait in Pub/Sub",
    )
    release = parser.add_mutually_exclusive_group()
    release.add_argument(
        "--tag",
        type=image_tag,
        help="the release: `python -m cloud template --tag` published its template",
    )
    release.add_argument(
        "--digest",
        type=image_digest,
        help="the release by the digest of its image, sha256:…, without a template",
    )
    parser.add_argument(
        "--job",
        default=DATAFLOW_JOB,
        help="the name of the job (default: %(default)s)",
    )
    parser.add_argument(
        "--bucket",
        type=bucket_name,
        help="where the template and temporary files are "
        "(default: PROJECT-iris-staging)",
    )
    parser.add_argument(
        "--subscription",
        help="the Pub/Sub subscription to read "
        "(default: projects/PROJECT/subscriptions/iris-messages-pipeline)",
    )
    parser.add_argument(
        "--dataset",
        default=DATASET,
        help="the BigQuery dataset (default: %(default)s)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_parameter,
        metavar="NAME=VALUE",
        help="another parameter of the template, for example write_method=… or "
        "archive_prefix=gs://… (default of archive_prefix: gs://PROJECT-iris-raw/raw; "
        "an empty value for no archive)",
    )
    parser.add_argument(
        "--streaming-mode",
        choices=MODES,
        default="exactly_once",
        help="at_least_once saves under a dollar a month, and writes more rows twice "
        "to the _iris tables; the views show each row once (default: %(default)s)",
    )
    parser.add_argument(
        "--max-workers",
        type=_workers,
        default=1,
        help="the most workers that Dataflow may start (default: %(default)s)",
    )
    parser.add_argument(
        "--machine-type",
        default="n1-standard-2",
        help="the machine type of a worker (default: %(default)s)",
    )
    parser.add_argument(
        "--service-account",
        help="the account of the workers "
        "(default: iris-pipeline@PROJECT.iam.gserviceaccount.com)",
    )
    parser.add_argument(
        "--network",
        help="the network of the workers (default: the project's default network)",
    )
    parser.add_argument(
        "--subnetwork",
        help="the subnetwork of the workers, for example "
        "regions/REGION/subnetworks/NAME",
    )
    parser.add_argument(
        "--private-ips",
        action="store_true",
        help="give the workers no external addresses; their subnetwork then needs "
        "Private Google Access",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the request, and send nothing"
    )


def _workers(text: str) -> int:
    # Dataflow replaces 0 by its own number, which is large.
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 9999")
    return int(text)


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=VALUE, for example write_method=STORAGE_WRITE_API"
        )
    if name in _OWN:
        raise argparse.ArgumentTypeError(f"{name} has its own option: use --{name}")
    return name, value


def run(options: argparse.Namespace) -> int:
    """Sends the request; prints the job's id and where to watch it.

    Raises:
        UsageError: The pipeline would refuse its options, or there are no credentials.
    """
    deployment = deployment_of(options)
    try:
        if options.drain:
            return _drain(deployment, options.job, dry_run=options.dry_run)
        _require_release(options)
        request = request_of(options)
        _check(deployment, dict(request.launch_parameter.parameters))
        if not options.dry_run:
            require_tables(deployment)
        return _launch(deployment, request, dry_run=options.dry_run)
    except GoogleAuthError as error:
        raise no_credentials(error) from None
    except GoogleAPICallError as error:
        text = " ".join(str(error).split())
        print(f"python -m cloud launch: {text}", file=sys.stderr)
        return 1


def _require_release(options: argparse.Namespace) -> None:
    """Makes sure that the user named a release, and it fits the other options.

    Raises:
        UsageError: Neither a tag nor a digest, or both ways to a network are closed.
    """
    if not (options.tag or options.digest):
        raise UsageError(
            "name the release: --tag TAG (TAG=… in make) of `python -m cloud template`"
        )
    if options.private_ips and not options.subnetwork:
        raise UsageError(
            "--private-ips needs --subnetwork, one with Private Google Access: workers "
            "without an address reach Google's services only through it"
        )


def request_of(options: argparse.Namespace) -> dataflow.LaunchFlexTemplateRequest:
    """The request that launches or updates the job."""
    deployment = deployment_of(options)
    bucket = options.bucket or deployment.staging_bucket
    account = options.service_account or deployment.account("iris-pipeline")
    environment = dataflow.FlexTemplateRuntimeEnvironment(
        service_account_email=account,
        temp_location=f"gs://{bucket}/temp",
        staging_location=f"gs://{bucket}/staging",
        max_workers=options.max_workers,
        machine_type=options.machine_type,
        network=options.network,
        subnetwork=options.subnetwork,
        ip_configuration=_PRIVATE if options.private_ips else None,
        streaming_mode=MODES[options.streaming_mode],
        additional_user_labels={"application": "gb-iris"},
    )
    return dataflow.LaunchFlexTemplateRequest(
        project_id=deployment.project,
        location=deployment.region,
        launch_parameter=dataflow.LaunchFlexTemplateParameter(
            job_name=options.job,
            parameters=_parameters(deployment, options),
            environment=environment,
            update=options.update,
            **_spec(deployment, bucket, options),
        ),
    )


def _spec(
    deployment: Deployment, bucket: str, options: argparse.Namespace
) -> dict[str, Any]:
    """The release: the published spec of a tag, or a spec of an image by digest."""
    if options.tag:
        return {"container_spec_gcs_path": template_path(bucket, options.tag)}
    spec = container_spec(deployment.image_of("pipeline", options.digest))
    return {"container_spec": dataflow.ContainerSpec.from_json(json.dumps(spec))}


def _parameters(deployment: Deployment, options: argparse.Namespace) -> dict[str, str]:
    parameters = {
        "subscription": options.subscription or deployment.subscription_path,
        "dataset": options.dataset,
        # An update uses only the options of its own command: without this default, an
        # update that leaves it out would silently end the archive.
        "archive_prefix": f"gs://{deployment.raw_bucket}/raw",
        **dict(options.set),
    }
    if not parameters["archive_prefix"]:
        del parameters["archive_prefix"]
    return parameters


def require_tables(deployment: Deployment) -> None:
    """Makes sure that the job finds its tables, with their columns.

    Raises:
        UsageError: Some are missing: their rows would wait, and become dead letters.
    """
    client = connect(deployment.project)
    try:
        found = list(findings(client, deployment, load_registry()))
    except Forbidden:  # a launch itself needs no right to read them
        print(
            "the tables were not checked: no permission to read them", file=sys.stderr
        )
        return
    for finding in found:
        if finding.verdict is Verdict.FAILED and finding.name in ("tables", "columns"):
            raise UsageError(f"{finding.name}: {finding.seen}; run `{finding.todo}`")


def _check(deployment: Deployment, parameters: dict[str, str]) -> None:
    """Makes sure that the pipeline accepts its parameters.

    The service checks each parameter alone. If two of them do not fit together, only
    the launcher notices, minutes later.

    Raises:
        UsageError: The pipeline would refuse them.
    """
    # Here, since Beam takes a second to load.
    from pipeline.options import parse

    known = {one["name"] for one in json.loads(METADATA.read_text())["parameters"]}
    if unknown := sorted(parameters.keys() - known):
        raise UsageError(
            f"the template has no parameter {unknown[0]}: use one of "
            f"{', '.join(sorted(known - set(_OWN)))} with --set"
        )
    given = [f"--{name}={value}" for name, value in parameters.items()]
    parse([*given, "--runner=DataflowRunner", f"--project={deployment.project}"])


def _too_large() -> str:
    """What the job will refuse, for a user who must know it before the launch."""
    from pipeline.core.decoding import MAX_SERVICE_BYTES, MAX_SERVICE_RECORDS
    from pipeline.core.reasons import Reason

    return (
        f"messages above {MAX_SERVICE_BYTES // 1_000_000} MB unpacked, or "
        f"{MAX_SERVICE_RECORDS:,} records, will be dead letters "
        f"({Reason.TOO_LARGE_FOR_SERVICE.value}), for a drain: see Large messages in "
        "docs/dead-letters.md"
    )


def _launch(
    deployment: Deployment,
    request: dataflow.LaunchFlexTemplateRequest,
    *,
    dry_run: bool,
) -> int:
    if dry_run:
        print(_too_large(), file=sys.stderr)
        print(f"POST {_launch_path(deployment)}\n{_json(request)}")
        return 0
    client = templates_client()
    print(_too_large(), file=sys.stderr)
    job = client.launch_flex_template(request).job
    print(
        f"job {job.name} {job.id} starts within some minutes\n"
        f"{_console(deployment, job.id)}"
    )
    return 0


def _launch_path(deployment: Deployment) -> str:
    """The address of the request, without the service's host."""
    parent = f"projects/{deployment.project}/locations/{deployment.region}"
    return f"/v1b3/{parent}/flexTemplates:launch"


def _drain(deployment: Deployment, name: str, *, dry_run: bool) -> int:
    """Asks every running job of that name to drain."""
    if dry_run:
        print(f"for each running job named {name}: set its requested state to drained")
        return 0
    running = list(_running(deployment, name))
    if not running:
        print(
            f"no job named {name} is running in {deployment.region}: check --job, "
            "--region and --project",
            file=sys.stderr,
        )
        return USER_ERROR
    for job in running:
        jobs_client().update_job(
            dataflow.UpdateJobRequest(
                project_id=deployment.project,
                location=deployment.region,
                job_id=job.id,
                job=dataflow.Job(requested_state=dataflow.JobState.JOB_STATE_DRAINED),
            )
        )
        print(
            f"job {job.name} {job.id} drains, and ends within some minutes\n"
            f"{_console(deployment, job.id)}"
        )
    return 0


def _running(deployment: Deployment, name: str) -> Iterable[dataflow.Job]:
    request = dataflow.ListJobsRequest(
        project_id=deployment.project,
        location=deployment.region,
        filter=dataflow.ListJobsRequest.Filter.ACTIVE,
        name=name,
    )
    return (job for job in jobs_client().list_jobs(request) if job.name == name)


def templates_client() -> dataflow.FlexTemplatesServiceClient:
    """A client of the flex templates' service, with the user's credentials."""
    return dataflow.FlexTemplatesServiceClient()


def jobs_client() -> dataflow.JobsV1Beta3Client:
    """A client of the jobs' service, with the user's credentials."""
    return dataflow.JobsV1Beta3Client()


def _console(deployment: Deployment, job: str) -> str:
    return (
        f"https://console.cloud.google.com/dataflow/jobs/{deployment.region}/{job}"
        f"?project={deployment.project}"
    )


def _json(request: dataflow.LaunchFlexTemplateRequest) -> str:
    parameter = dataflow.LaunchFlexTemplateParameter.to_dict(
        request.launch_parameter,
        use_integers_for_enums=False,
        preserving_proto_field_name=False,
        always_print_fields_with_no_presence=False,
    )
    return json.dumps({"launchParameter": parameter}, indent=2)
