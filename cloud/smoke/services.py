"""Services: what Google's APIs say of a project. Pure functions over documents."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from cloud.deployment import DATAFLOW_JOB, DRAIN_JOB, SECRET, Deployment
from cloud.smoke.findings import Finding, failed, ok, unknown
from command.text import listed

# What every deployment needs, and what each mode of the pipeline needs in addition.
REQUIRED_APIS = ("bigquery", "pubsub", "storage", "secretmanager", "artifactregistry")
DRAIN_APIS = ("run", "cloudscheduler")
DATAFLOW_APIS = ("dataflow", "compute")
# One streaming job of two workers with two CPUs each, and a second job during an
# update. Each worker has an address, unless its network makes that unnecessary.
QUOTAS = {"CPUS": 8, "IN_USE_ADDRESSES": 4, "DISKS_TOTAL_GB": 240}
OLDEST_UNACKED = "pubsub.googleapis.com/subscription/oldest_unacked_message_age"
UNDELIVERED = "pubsub.googleapis.com/subscription/num_undelivered_messages"
# A drain every five minutes leaves messages for some minutes.
MAX_AGE = dt.timedelta(minutes=30)
# Samples are taken every minute, and visible after up to four minutes
# (https://cloud.google.com/monitoring/api/metrics_gcp_p_z#gcp-pubsub).
SAMPLES = dt.timedelta(minutes=10)
NO_SAMPLE = "Cloud Monitoring has no sample of the last ten minutes"


def apis(document: Mapping[str, Any], deployment: Deployment) -> Finding:
    """Whether the APIs are enabled, from a response of `services:batchGet`."""
    enabled = {
        service["name"].rpartition("/")[2].removesuffix(".googleapis.com")
        for service in document.get("services", ())
        if service.get("state") == "ENABLED"
    }
    groups = {
        "": REQUIRED_APIS,
        "the drain job": DRAIN_APIS,
        "Dataflow": DATAFLOW_APIS,
    }
    lacking = {
        who: [name for name in names if name not in enabled]
        for who, names in groups.items()
    }
    # One mode of the pipeline is enough.
    needed = lacking[""]
    if lacking["the drain job"] and lacking["Dataflow"]:
        needed = [*needed, *lacking["the drain job"]]
    if needed:
        names = " ".join(f"{name}.googleapis.com" for name in needed)
        return failed(
            "APIs",
            f"not enabled: {', '.join(needed)}",
            deployment.gcloud(f"services enable {names}"),
        )
    optional = [
        f"{' and '.join(names)} not enabled, which only {who} needs"
        for who, names in lacking.items()
        if names
    ]
    return ok("APIs", "; ".join([f"{len(enabled)} enabled", *optional]))


def secret(version: Mapping[str, Any] | None, deployment: Deployment) -> Finding:
    """Whether the bridge's secret has a value.

    Args:
        version: The newest version as Secret Manager describes it, without its value;
            None if there is no version.
    """
    state = version.get("state") if version else "missing"
    if state == "ENABLED":
        return ok("secret", f"{SECRET} has a value")
    return failed(
        "secret",
        f"the newest version of {SECRET} is {state}: the bridge cannot start",
        deployment.gcloud(f"secrets versions add {SECRET} --data-file FILE"),
    )


def billing(document: Mapping[str, Any], deployment: Deployment) -> Finding:
    """Whether the project has billing: BigQuery needs it for streaming inserts."""
    if document.get("billingEnabled"):
        return ok("billing", "enabled")
    return failed(
        "billing",
        "not enabled: BigQuery refuses streaming inserts in its free tier",
        f"gcloud billing projects link {deployment.project} --billing-account ACCOUNT",
    )


def quotas(
    document: Mapping[str, Any], deployment: Deployment, *, drains: bool
) -> Finding:
    """Whether Compute Engine has room for Dataflow's workers.

    Args:
        document: A response of `regions.get`.
        drains: There is a drain job, which does not use Compute Engine.
    """
    name = "quotas for Dataflow"
    free = {
        quota["metric"]: quota["limit"] - quota["usage"]
        for quota in document.get("quotas", ())
        if quota.get("metric") in QUOTAS
    }
    unseen = [name for name in QUOTAS if name not in free]
    scarce = [
        f"{name}: {free[name]:g} free, {wanted} needed"
        for name, wanted in QUOTAS.items()
        if name in free and free[name] < wanted
    ]
    if scarce and drains:
        return unknown(name, f"{listed(scarce)}; the drain job does not need them")
    if scarce:
        return failed(
            name,
            listed(scarce),
            "request more at https://console.cloud.google.com/iam-admin/quotas"
            f"?project={deployment.project}, or use the drain job",
        )
    if unseen:
        return unknown(name, f"the region's list of quotas lacks {listed(unseen)}")
    texts = [f"{name} {free[name]:g} free" for name in QUOTAS]
    return ok(name, listed(texts))


def latest_points(document: Mapping[str, Any]) -> dict[str, int]:
    """The newest value of each metric, from a response of `timeSeries.list`."""
    values: dict[str, int] = {}
    for series in document.get("timeSeries", ()):
        if points := series.get("points"):  # the newest first
            values[series["metric"]["type"]] = int(points[0]["value"]["int64Value"])
    return values


def backlog(values: Mapping[str, int], deployment: Deployment) -> Finding:
    """Whether messages pile up in the subscription of the pipeline."""
    name = "backlog"
    if OLDEST_UNACKED not in values:
        return unknown(name, NO_SAMPLE)
    age = dt.timedelta(seconds=values[OLDEST_UNACKED])
    count = values.get(UNDELIVERED)
    seen = f"the oldest message is {age} old"
    seen += f", {count:,} messages wait" if count is not None else ""
    if age > MAX_AGE:
        return failed(
            name,
            seen,
            deployment.gcloud(
                f"run jobs executions list --job {DRAIN_JOB} --region "
                f"{deployment.region or 'REGION'}"
            ),
        )
    return ok(name, seen)


def given_up(values: Mapping[str, int], deployment: Deployment) -> Finding:
    """Whether the dead-letter subscription holds messages."""
    name = "undeliverable messages"
    if UNDELIVERED not in values:
        return unknown(name, NO_SAMPLE)
    if count := values[UNDELIVERED]:
        return failed(
            name,
            f"{count:,} in {deployment.dead_letters}: no pipeline acknowledged them",
            deployment.gcloud(
                f"pubsub subscriptions pull {deployment.dead_letters} --limit 1"
            ),
        )
    return ok(name, "none")


def drain_time(drain: Mapping[str, Any]) -> Finding:
    """Whether the last run of the drain job ended before Cloud Run would stop it.

    Args:
        drain: The Cloud Run job, not empty.
    """
    name = "drain time"
    latest = drain.get("latestCreatedExecution") or {}
    try:
        began = dt.datetime.fromisoformat(latest["createTime"])
        took = dt.datetime.fromisoformat(latest["completionTime"]) - began
        timeout = drain["template"]["template"]["timeout"]
        limit = dt.timedelta(seconds=float(timeout.rstrip("s")))
    except (KeyError, TypeError, ValueError):
        return unknown(name, "the last run has not ended, or its job has no timeout")
    seen = (
        f"the last run took {took.total_seconds():.0f} s of {limit.total_seconds():.0f}"
    )
    if took >= limit:
        return failed(
            name,
            f"{seen}: Cloud Run stopped it",
            "its messages are delivered again; set drain_every_minutes higher, or see "
            "Lag grows in docs/operations.md",
        )
    return ok(name, seen)


def is_streaming(
    drain: Mapping[str, Any] | str, jobs: Sequence[Mapping[str, Any]] | str
) -> bool | None:
    """Whether Dataflow reads the subscription, and not the drain job.

    The arguments are those of `runner`.

    Returns:
        None if nothing reads it, or it is not known what does.
    """
    if not isinstance(jobs, str):
        running = [
            job["currentState"] for job in jobs if job.get("name") == DATAFLOW_JOB
        ]
        if "JOB_STATE_RUNNING" in running:
            return True
    return False if drain and not isinstance(drain, str) else None


def runner(
    drain: Mapping[str, Any] | str,
    jobs: Sequence[Mapping[str, Any]] | str,
    deployment: Deployment,
) -> Finding:
    """Whether something reads the subscription.

    Args:
        drain: The Cloud Run job; empty if there is none; a text says why it is unknown.
        jobs: Active Dataflow jobs, or why they are unknown.
    """
    name = "pipeline"
    if is_streaming(drain, jobs):
        return ok(name, f"Dataflow job {DATAFLOW_JOB} is running")
    if drain and not isinstance(drain, str):
        return _drain_job(name, drain, deployment)
    texts = [each for each in (drain, jobs) if each and isinstance(each, str)]
    if texts:
        return unknown(name, "; ".join(texts))
    return failed(
        name,
        f"there is neither a Cloud Run job {DRAIN_JOB} nor a Dataflow job "
        f"{DATAFLOW_JOB} in {deployment.region}",
        f"make launch PROJECT={deployment.project} REGION={deployment.region}, or "
        "create the drain job with templates/terraform",
    )


def _drain_job(name: str, drain: Mapping[str, Any], deployment: Deployment) -> Finding:
    latest = drain.get("latestCreatedExecution") or {}
    status = latest.get("completionStatus", "")
    executions = deployment.gcloud(
        f"run jobs executions list --job {DRAIN_JOB} --region {deployment.region}"
    )
    if not latest:
        return failed(
            name,
            f"Cloud Run job {DRAIN_JOB} has never run",
            deployment.gcloud(
                f"scheduler jobs run {DRAIN_JOB} --location {deployment.region}"
            ),
        )
    if status in ("EXECUTION_FAILED", "EXECUTION_CANCELLED"):
        return failed(
            name,
            f"the last run of {DRAIN_JOB}, of {latest.get('createTime')}, failed",
            f"{executions}; the log of the last one says why",
        )
    return ok(
        name,
        f"Cloud Run job {DRAIN_JOB}: {status or 'EXECUTION_RUNNING'}, "
        f"{latest.get('createTime')}",
    )
