"""The checks that only Google's APIs can answer, as far as the caller has access."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from cloud.deployment import DRAIN_JOB, SECRET, Deployment
from cloud.smoke import alerts, permissions, services
from cloud.smoke.findings import Finding, unknown
from cloud.smoke.google_api import GoogleApi, RefusedError

NO_REGION = "this check needs --region, where the pipeline runs"
# With local servers, what is reported for each check instead.
LOCAL = {
    "APIs": "local servers have no APIs to enable",
    "secret": "local servers have no Secret Manager",
    "billing": "local servers cost nothing",
    "pipeline": "local servers do not know what reads the subscription",
    "backlog": "local servers have no Cloud Monitoring",
    "quotas for Dataflow": "local servers have no Dataflow",
    "permissions": "local servers have no IAM",
    "alerts": "local servers have no Cloud Monitoring",
}


def local_findings() -> Iterator[Finding]:
    """The same checks for local servers: each is not known."""
    for name, why in LOCAL.items():
        yield unknown(name, why)


class Readers(NamedTuple):
    """What may read the subscription.

    Attributes:
        drain: The Cloud Run job; empty if there is none; a text says why it is unknown.
        jobs: Active Dataflow jobs, or why they are unknown.
    """

    drain: Mapping[str, Any] | str
    jobs: list[Mapping[str, Any]] | str

    @property
    def is_streaming(self) -> bool | None:
        """Whether Dataflow reads it, and not the drain job; None if it is not known."""
        return services.is_streaming(self.drain, self.jobs)


def readers(api: GoogleApi, deployment: Deployment) -> Readers:
    """Asks what may read the subscription."""
    if not deployment.region:
        return Readers(NO_REGION, NO_REGION)
    return Readers(_drain_job(api, deployment), _streams(api, deployment))


def findings(
    api: GoogleApi,
    deployment: Deployment,
    known: Readers,
    now: dt.datetime,
    *,
    impersonate: bool,
) -> Iterator[Finding]:
    """What Google's APIs say of a deployment.

    Args:
        api: The APIs, as the caller.
        known: What may read the subscription.
        now: The current time.
        impersonate: Ask for permissions as each service account.
    """
    yield _asked("APIs", lambda: services.apis(_apis(api, deployment), deployment))
    yield _asked(
        "billing", lambda: services.billing(_billing(api, deployment), deployment)
    )
    yield _asked(
        "secret", lambda: services.secret(_version(api, deployment), deployment)
    )
    yield _runner(known, deployment)
    if known.drain and not isinstance(known.drain, str):
        yield services.drain_time(known.drain)
    yield from _alerts(api, deployment, now)
    yield _asked(
        "backlog",
        lambda: services.backlog(
            _metrics(api, deployment, deployment.subscription, now), deployment
        ),
    )
    yield _asked(
        "undeliverable messages",
        lambda: services.given_up(
            _metrics(api, deployment, deployment.dead_letters, now), deployment
        ),
    )
    yield _quotas(
        api, deployment, drains=bool(known.drain) and not isinstance(known.drain, str)
    )
    yield from permissions.findings(api, deployment, impersonate=impersonate)


def _asked(name: str, ask: Callable[[], Finding]) -> Finding:
    try:
        return ask()
    except RefusedError as error:
        return unknown(name, str(error))


def _apis(api: GoogleApi, deployment: Deployment) -> Mapping[str, Any]:
    parent = f"projects/{deployment.project}"
    wanted = (
        *services.REQUIRED_APIS,
        *services.DRAIN_APIS,
        *services.DATAFLOW_APIS,
    )
    names = [f"{parent}/services/{name}.googleapis.com" for name in wanted]
    return api.get("serviceusage", f"v1/{parent}/services:batchGet", {"names": names})


def _billing(api: GoogleApi, deployment: Deployment) -> Mapping[str, Any]:
    return api.get("cloudbilling", f"v1/projects/{deployment.project}/billingInfo")


def _version(api: GoogleApi, deployment: Deployment) -> Mapping[str, Any] | None:
    """The newest version of the bridge's secret: its state, never its value."""
    path = f"v1/projects/{deployment.project}/secrets/{SECRET}/versions/latest"
    try:
        return api.get("secretmanager", path)
    except RefusedError as error:
        if error.is_missing:
            return None
        raise


def _metrics(
    api: GoogleApi, deployment: Deployment, subscription: str, now: dt.datetime
) -> dict[str, int]:
    """The newest value of each metric of a subscription."""
    values: dict[str, int] = {}
    for metric in (services.OLDEST_UNACKED, services.UNDELIVERED):
        document = api.get(
            "monitoring",
            f"v3/projects/{deployment.project}/timeSeries",
            {
                "filter": f'metric.type = "{metric}" AND '
                f'resource.labels.subscription_id = "{subscription}"',
                "interval.startTime": _stamp(now - services.SAMPLES),
                "interval.endTime": _stamp(now),
            },
        )
        values |= services.latest_points(document)
    return values


def _alerts(
    api: GoogleApi, deployment: Deployment, now: dt.datetime
) -> Iterator[Finding]:
    """Whether there are alerts, and the services accept their filters."""
    path = f"v3/projects/{deployment.project}/alertPolicies"
    try:
        found = alerts.of_deployment(api.get("monitoring", path))
    except RefusedError as error:
        yield unknown(alerts.NAME, str(error))
        return
    yield alerts.existing(found, deployment)
    refusals, asked = {}, 0
    for name, text, is_log in alerts.filters(found):
        asked += 1
        try:
            _ask_filter(api, deployment, text, now, is_log=is_log)
        except RefusedError as error:
            if error.code != HTTPStatus.BAD_REQUEST:
                yield unknown(alerts.FILTERS, str(error))
                return
            refusals[name] = str(error)
    yield alerts.accepted(refusals, asked)


def _ask_filter(
    api: GoogleApi, deployment: Deployment, text: str, now: dt.datetime, *, is_log: bool
) -> None:
    """Asks for what a filter finds: a wrong one is refused."""
    if is_log:
        names = [f"projects/{deployment.project}"]
        body = {"resourceNames": names, "filter": text, "pageSize": 1}
        api.post("logging", "v2/entries:list", body)
        return
    api.get(
        "monitoring",
        f"v3/projects/{deployment.project}/timeSeries",
        {
            "filter": text,
            "interval.startTime": _stamp(now - services.SAMPLES),
            "interval.endTime": _stamp(now),
            "view": "HEADERS",
        },
    )


def _stamp(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _drain_job(api: GoogleApi, deployment: Deployment) -> Mapping[str, Any] | str:
    """The Cloud Run job; empty if there is none; a text says why it is unknown."""
    try:
        return api.get("run", f"v2/{_jobs(deployment)}/{DRAIN_JOB}")
    except RefusedError as error:
        return {} if error.is_missing else str(error)


def _jobs(deployment: Deployment) -> str:
    return f"projects/{deployment.project}/locations/{deployment.region}/jobs"


def _runner(known: Readers, deployment: Deployment) -> Finding:
    if not deployment.region:
        return unknown("pipeline", NO_REGION)
    return services.runner(known.drain, known.jobs, deployment)


def _streams(api: GoogleApi, deployment: Deployment) -> list[Mapping[str, Any]] | str:
    """Active Dataflow jobs, or why they are unknown."""
    try:
        answer = api.get("dataflow", f"v1b3/{_jobs(deployment)}", {"filter": "ACTIVE"})
    except RefusedError as error:
        return str(error)
    return list(answer.get("jobs", ()))


def _quotas(api: GoogleApi, deployment: Deployment, *, drains: bool) -> Finding:
    name = "quotas for Dataflow"
    if not deployment.region:
        return unknown(name, NO_REGION)
    path = f"compute/v1/projects/{deployment.project}/regions/{deployment.region}"
    return _asked(
        name,
        lambda: services.quotas(api.get("compute", path), deployment, drains=drains),
    )
