"""Services: what Google's APIs say of a project. Pure functions over documents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from cloud.place import DATAFLOW_JOB, DRAIN_JOB, SECRET, Place
from cloud.smoke.findings import Finding, failed, listed, ok, unknown

# What every deployment needs, and what each way to run the pipeline needs besides.
REQUIRED_APIS = ("bigquery", "pubsub", "storage", "secretmanager", "artifactregistry")
DRAIN_APIS = ("run", "cloudscheduler")
DATAFLOW_APIS = ("dataflow", "compute")
# One streaming job of two workers with two CPUs each, and a second one beside it while
# the job is replaced; each worker has an address, unless its network spares it.
QUOTAS = {"CPUS": 8, "IN_USE_ADDRESSES": 4, "DISKS_TOTAL_GB": 240}
OLDEST_UNACKED = "pubsub.googleapis.com/subscription/oldest_unacked_message_age"
UNDELIVERED = "pubsub.googleapis.com/subscription/num_undelivered_messages"
# A drain every five minutes leaves messages for some minutes.
MAX_AGE = dt.timedelta(minutes=30)
# Samples come every minute, and are shown after up to four
# (https://cloud.google.com/monitoring/api/metrics_gcp_p_z#gcp-pubsub).
SAMPLES = dt.timedelta(minutes=10)


def apis(document: Mapping[str, Any], place: Place) -> Finding:
    """Whether the APIs are enabled, from an answer of `services:batchGet`."""
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
    # One way to run the pipeline is enough.
    needed = lacking[""]
    if lacking["the drain job"] and lacking["Dataflow"]:
        needed = [*needed, *lacking["the drain job"]]
    if needed:
        names = " ".join(f"{name}.googleapis.com" for name in needed)
        return failed(
            "APIs",
            f"not enabled: {', '.join(needed)}",
            f"gcloud services enable {names} --project {place.project}",
        )
    spared = [
        f"{' and '.join(names)} not, which {who} alone needs"
        for who, names in lacking.items()
        if names
    ]
    return ok("APIs", "; ".join([f"{len(enabled)} enabled", *spared]))


def secret(version: Mapping[str, Any] | None, place: Place) -> Finding:
    """Whether the bridge's secret has a value.

    Args:
        version: The newest version as Secret Manager describes it, without its value;
            None where there is none.
        place: The deployment.
    """
    state = version.get("state") if version else "missing"
    if state == "ENABLED":
        return ok("secret", f"{SECRET} has a value")
    return failed(
        "secret",
        f"the newest version of {SECRET} is {state}: the bridge cannot start",
        f"gcloud secrets versions add {SECRET} --data-file FILE "
        f"--project {place.project}",
    )


def billing(document: Mapping[str, Any], place: Place) -> Finding:
    """Whether there is a billing account, without which BigQuery streams nothing in."""
    if document.get("billingEnabled"):
        return ok("billing", "enabled")
    return failed(
        "billing",
        "not enabled: BigQuery refuses streaming inserts in its free tier",
        f"gcloud billing projects link {place.project} --billing-account ACCOUNT",
    )


def quotas(document: Mapping[str, Any], place: Place, *, drains: bool) -> Finding:
    """Whether Compute Engine has room for Dataflow's workers.

    Args:
        document: An answer of `regions.get`.
        place: The deployment.
        drains: There is a drain job, which needs none of it.
    """
    name = "quotas for Dataflow"
    free = {
        quota["metric"]: quota["limit"] - quota["usage"]
        for quota in document.get("quotas", ())
        if quota.get("metric") in QUOTAS
    }
    unseen = [name for name in QUOTAS if name not in free]
    scarce = [
        f"{name}: {free[name]:g} free, {wanted} are wanted"
        for name, wanted in QUOTAS.items()
        if name in free and free[name] < wanted
    ]
    if scarce and drains:
        return unknown(name, f"{listed(scarce)}; the drain job needs none of it")
    if scarce:
        return failed(
            name,
            listed(scarce),
            "ask for more at https://console.cloud.google.com/iam-admin/quotas"
            f"?project={place.project}, or use the drain job",
        )
    if unseen:
        return unknown(name, f"no word of {listed(unseen)}")
    texts = [f"{name} {free[name]:g} free" for name in QUOTAS]
    return ok(name, listed(texts))


def latest_points(document: Mapping[str, Any]) -> dict[str, int]:
    """The newest value of each metric, from an answer of `timeSeries.list`."""
    values: dict[str, int] = {}
    for series in document.get("timeSeries", ()):
        if points := series.get("points"):  # the newest first
            values[series["metric"]["type"]] = int(points[0]["value"]["int64Value"])
    return values


def backlog(values: Mapping[str, int], place: Place) -> Finding:
    """Whether messages pile up in the subscription of the pipeline."""
    name = "backlog"
    if OLDEST_UNACKED not in values:
        return unknown(name, "Cloud Monitoring has no sample of the last minutes")
    age = dt.timedelta(seconds=values[OLDEST_UNACKED])
    count = values.get(UNDELIVERED)
    seen = f"the oldest message is {age} old"
    seen += f", {count:,} wait" if count is not None else ""
    if age > MAX_AGE:
        return failed(
            name,
            seen,
            f"gcloud run jobs executions list --job {DRAIN_JOB} "
            f"--region {place.region or 'REGION'} --project {place.project}",
        )
    return ok(name, seen)


def given_up(values: Mapping[str, int], place: Place) -> Finding:
    """Whether messages lie in the dead-letter subscription."""
    name = "undeliverable messages"
    if UNDELIVERED not in values:
        return unknown(name, "Cloud Monitoring has no sample of the last minutes")
    if count := values[UNDELIVERED]:
        return failed(
            name,
            f"{count:,} in {place.topic}-dead-letters: no pipeline could take them",
            f"gcloud pubsub subscriptions pull {place.topic}-dead-letters --limit 1 "
            f"--project {place.project}",
        )
    return ok(name, "none")


def is_streaming(
    drain: Mapping[str, Any] | str, jobs: Sequence[Mapping[str, Any]] | str
) -> bool | None:
    """Whether Dataflow reads the subscription, and not the drain job.

    The arguments are those of `runner`.

    Returns:
        None where nobody reads it, or it is not known who does.
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
    place: Place,
) -> Finding:
    """Whether something reads the subscription.

    Args:
        drain: The Cloud Run job; empty where there is none, text for why it is unknown.
        jobs: Active Dataflow jobs, or why they are unknown.
        place: The deployment.
    """
    name = "pipeline"
    if is_streaming(drain, jobs):
        return ok(name, f"Dataflow job {DATAFLOW_JOB} runs")
    if drain and not isinstance(drain, str):
        return _drain_job(name, drain, place)
    texts = [each for each in (drain, jobs) if each and isinstance(each, str)]
    if texts:
        return unknown(name, "; ".join(texts))
    return failed(
        name,
        f"neither a Cloud Run job {DRAIN_JOB} nor a Dataflow job {DATAFLOW_JOB} "
        f"in {place.region}",
        f"make launch PROJECT={place.project} REGION={place.region}, or make the drain "
        "job with templates/terraform",
    )


def _drain_job(name: str, drain: Mapping[str, Any], place: Place) -> Finding:
    latest = drain.get("latestCreatedExecution") or {}
    status = latest.get("completionStatus", "")
    log = (
        f"gcloud run jobs executions list --job {DRAIN_JOB} --region {place.region} "
        f"--project {place.project}; the log of the last one says why"
    )
    if not latest:
        return failed(
            name,
            f"Cloud Run job {DRAIN_JOB} has never run",
            f"gcloud scheduler jobs run {DRAIN_JOB} --location {place.region} "
            f"--project {place.project}",
        )
    if status in ("EXECUTION_FAILED", "EXECUTION_CANCELLED"):
        return failed(
            name,
            f"the last run of {DRAIN_JOB}, of {latest.get('createTime')}, failed",
            log,
        )
    return ok(
        name,
        f"Cloud Run job {DRAIN_JOB}: {status or 'EXECUTION_RUNNING'}, "
        f"{latest.get('createTime')}",
    )
