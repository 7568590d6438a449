"""Launching: the streaming job on Dataflow, its update, and its drain."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable

from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.cloud import dataflow_v1beta3 as dataflow

from cloud import place
from cloud.place import Place
from cloud.template import METADATA
from command.text import first_line
from command.usage import UsageError

USER_ERROR = 2
MODES = {
    mode.name.removeprefix("STREAMING_MODE_").lower(): mode
    for mode in (
        dataflow.StreamingMode.STREAMING_MODE_EXACTLY_ONCE,
        dataflow.StreamingMode.STREAMING_MODE_AT_LEAST_ONCE,
    )
}
# Parameters of the template that have options of their own here.
_OWN = ("subscription", "dataset")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    place.configure(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--update", action="store_true", help="replace the running job by this template"
    )
    what.add_argument(
        "--drain",
        action="store_true",
        help="end the running job after what it has in hand; the rest waits in Pub/Sub",
    )
    parser.add_argument(
        "--job", default=place.DATAFLOW_JOB, help="default: %(default)s"
    )
    parser.add_argument(
        "--bucket",
        type=place.bucket,
        help="where the template is (default: PROJECT-iris-staging)",
    )
    parser.add_argument(
        "--subscription",
        help="default: projects/PROJECT/subscriptions/iris-messages-pipeline",
    )
    parser.add_argument("--dataset", default=place.DATASET, help="default: %(default)s")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_parameter,
        metavar="NAME=VALUE",
        help="another parameter of the template, such as write_method=… or "
        "archive_prefix=gs://… (default: gs://PROJECT-iris-raw/raw; empty for none)",
    )
    parser.add_argument(
        "--streaming-mode",
        choices=MODES,
        default="exactly_once",
        help="at_least_once costs less, and more rows come twice into _iris tables; "
        "the views show them once (default: %(default)s)",
    )
    parser.add_argument(
        "--max-workers", type=_workers, default=1, help="default: %(default)s"
    )
    parser.add_argument(
        "--machine-type",
        default="n1-standard-2",
        help="of a worker (default: %(default)s)",
    )
    parser.add_argument(
        "--service-account",
        help="default: iris-pipeline@PROJECT.iam.gserviceaccount.com",
    )
    parser.add_argument("--network", help="default: that of the project")
    parser.add_argument("--subnetwork", help="such as regions/REGION/subnetworks/NAME")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the request, and end"
    )


def _workers(text: str) -> int:
    # For none Dataflow would take its own number, which is large.
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 9999")
    return int(text)


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    if name in _OWN:
        raise argparse.ArgumentTypeError(f"use --{name} for it")
    return name, value


def run(options: argparse.Namespace) -> int:
    """Sends the request; prints the job's id and where to watch it.

    Raises:
        UsageError: The pipeline would refuse its options, or there are no credentials.
    """
    where = place.of(options)
    try:
        if options.drain:
            return _drain(where, options.job, dry_run=options.dry_run)
        request = request_of(options)
        _check(where, dict(request.launch_parameter.parameters))
        return _launch(where, request, dry_run=options.dry_run)
    except GoogleAuthError as error:
        raise UsageError(
            f"no Google credentials ({first_line(error)}): "
            "gcloud auth application-default login"
        ) from None
    except GoogleAPICallError as error:
        text = " ".join(str(error).split())
        print(f"python -m cloud launch: {text}", file=sys.stderr)
        return 1


def request_of(options: argparse.Namespace) -> dataflow.LaunchFlexTemplateRequest:
    """The request that launches or updates the job."""
    where = place.of(options)
    bucket = options.bucket or where.staging_bucket
    environment = dataflow.FlexTemplateRuntimeEnvironment(
        service_account_email=options.service_account or where.account("iris-pipeline"),
        temp_location=f"gs://{bucket}/temp",
        staging_location=f"gs://{bucket}/staging",
        max_workers=options.max_workers,
        machine_type=options.machine_type,
        network=options.network,
        subnetwork=options.subnetwork,
        streaming_mode=MODES[options.streaming_mode],
        additional_user_labels={"application": "gb-iris"},
    )
    return dataflow.LaunchFlexTemplateRequest(
        project_id=where.project,
        location=where.region,
        launch_parameter=dataflow.LaunchFlexTemplateParameter(
            job_name=options.job,
            container_spec_gcs_path=place.template_path(bucket),
            parameters=_parameters(where, options),
            environment=environment,
            update=options.update,
        ),
    )


def _parameters(where: Place, options: argparse.Namespace) -> dict[str, str]:
    parameters = {
        "subscription": options.subscription or where.subscription_path,
        "dataset": options.dataset,
        # Here, as an update has the options of its own command only: one that leaves
        # this out would end the archive in silence.
        "archive_prefix": f"gs://{where.raw_bucket}/raw",
        **dict(options.set),
    }
    if not parameters["archive_prefix"]:
        del parameters["archive_prefix"]
    return parameters


def _check(where: Place, parameters: dict[str, str]) -> None:
    """Makes sure that the pipeline takes what it will be given.

    The service looks at each parameter by itself; the launcher would fail after minutes
    for what does not go together.

    Raises:
        UsageError: It does not.
    """
    # Beam takes a second to load.
    from pipeline.options import parse

    known = {one["name"] for one in json.loads(METADATA.read_text())["parameters"]}
    if unknown := sorted(parameters.keys() - known):
        raise UsageError(f"the template has no parameter {unknown[0]}")
    given = [f"--{name}={value}" for name, value in parameters.items()]
    parse([*given, "--runner=DataflowRunner", f"--project={where.project}"])


def _launch(
    where: Place, request: dataflow.LaunchFlexTemplateRequest, *, dry_run: bool
) -> int:
    if dry_run:
        print(f"POST {where_flex(where)}\n{_json(request)}")
        return 0
    job = templates_client().launch_flex_template(request).job
    print(f"job {job.name} {job.id} starts in some minutes\n{_console(where, job.id)}")
    return 0


def where_flex(where: Place) -> str:
    """The address of the request, without the service's host."""
    return (
        f"/v1b3/projects/{where.project}/locations/{where.region}/flexTemplates:launch"
    )


def _drain(where: Place, name: str, *, dry_run: bool) -> int:
    """Asks every running job of the name to drain."""
    running = [] if dry_run else list(_running(where, name))
    if dry_run:
        print(f"for each running job named {name}: set its requested state to drained")
        return 0
    if not running:
        print(f"no job named {name} is running in {where.region}", file=sys.stderr)
        return USER_ERROR
    for job in running:
        jobs_client().update_job(
            dataflow.UpdateJobRequest(
                project_id=where.project,
                location=where.region,
                job_id=job.id,
                job=dataflow.Job(requested_state=dataflow.JobState.JOB_STATE_DRAINED),
            )
        )
        print(
            f"job {job.name} {job.id} drains: some minutes\n{_console(where, job.id)}"
        )
    return 0


def _running(where: Place, name: str) -> Iterable[dataflow.Job]:
    request = dataflow.ListJobsRequest(
        project_id=where.project,
        location=where.region,
        filter=dataflow.ListJobsRequest.Filter.ACTIVE,
        name=name,
    )
    return (job for job in jobs_client().list_jobs(request) if job.name == name)


def templates_client() -> dataflow.FlexTemplatesServiceClient:
    """A client of the flex templates' service, with the user's own credentials."""
    return dataflow.FlexTemplatesServiceClient()


def jobs_client() -> dataflow.JobsV1Beta3Client:
    """A client of the jobs' service, with the user's own credentials."""
    return dataflow.JobsV1Beta3Client()


def _console(where: Place, job: str) -> str:
    return (
        f"https://console.cloud.google.com/dataflow/jobs/{where.region}/{job}"
        f"?project={where.project}"
    )


def _json(request: dataflow.LaunchFlexTemplateRequest) -> str:
    parameter = dataflow.LaunchFlexTemplateParameter.to_dict(
        request.launch_parameter,
        use_integers_for_enums=False,
        preserving_proto_field_name=False,
        always_print_fields_with_no_presence=False,
    )
    return json.dumps({"launchParameter": parameter}, indent=2)
