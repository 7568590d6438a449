"""The checks that only the cloud can answer, each as far as the caller may look."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from cloud.place import DRAIN_JOB, SECRET, Place
from cloud.smoke import permissions, services
from cloud.smoke.findings import Finding, unknown
from cloud.smoke.google_api import GoogleApi, RefusedError

NO_REGION = "--region says where the pipeline runs"
# What stands in for the findings where there is no cloud.
LOCAL = {
    "APIs": "local servers have none to enable",
    "secret": "local servers have no Secret Manager",
    "billing": "local servers cost nothing",
    "pipeline": "local servers do not know who reads",
    "backlog": "local servers have no Cloud Monitoring",
    "quotas for Dataflow": "local servers have no Dataflow",
    "permissions": "local servers have no IAM",
}


def local_findings() -> Iterator[Finding]:
    """What is not known of local servers."""
    for name, why in LOCAL.items():
        yield unknown(name, why)


class Readers(NamedTuple):
    """What may read the subscription.

    Attributes:
        drain: The Cloud Run job; empty where there is none, text for why it is unknown.
        jobs: Active Dataflow jobs, or why they are unknown.
    """

    drain: Mapping[str, Any] | str
    jobs: list[Mapping[str, Any]] | str

    @property
    def is_streaming(self) -> bool | None:
        """Whether Dataflow does, and not the drain job; None where it is not known."""
        return services.is_streaming(self.drain, self.jobs)


def readers(api: GoogleApi, place: Place) -> Readers:
    """Asks what may read the subscription."""
    if not place.region:
        return Readers(NO_REGION, NO_REGION)
    return Readers(_drain_job(api, place), _streams(api, place))


def findings(
    api: GoogleApi,
    place: Place,
    known: Readers,
    now: dt.datetime,
    *,
    impersonate: bool,
) -> Iterator[Finding]:
    """What Google's APIs say of a deployment.

    Args:
        api: The APIs, as the caller.
        place: The deployment.
        known: What may read the subscription.
        now: The time.
        impersonate: Ask for permissions as each service account.
    """
    yield _asked("APIs", lambda: services.apis(_apis(api, place), place))
    yield _asked("billing", lambda: services.billing(_billing(api, place), place))
    yield _asked("secret", lambda: services.secret(_version(api, place), place))
    yield _runner(known, place)
    yield _asked(
        "backlog",
        lambda: services.backlog(_metrics(api, place, place.subscription, now), place),
    )
    letters = f"{place.topic}-dead-letters"
    yield _asked(
        "undeliverable messages",
        lambda: services.given_up(_metrics(api, place, letters, now), place),
    )
    yield _quotas(
        api, place, drains=bool(known.drain) and not isinstance(known.drain, str)
    )
    yield from permissions.findings(api, place, impersonate=impersonate)


def _asked(name: str, ask: Callable[[], Finding]) -> Finding:
    try:
        return ask()
    except RefusedError as error:
        return unknown(name, str(error))


def _apis(api: GoogleApi, place: Place) -> Mapping[str, Any]:
    parent = f"projects/{place.project}"
    wanted = (
        *services.REQUIRED_APIS,
        *services.DRAIN_APIS,
        *services.DATAFLOW_APIS,
    )
    names = [f"{parent}/services/{name}.googleapis.com" for name in wanted]
    return api.get("serviceusage", f"v1/{parent}/services:batchGet", {"names": names})


def _billing(api: GoogleApi, place: Place) -> Mapping[str, Any]:
    return api.get("cloudbilling", f"v1/projects/{place.project}/billingInfo")


def _version(api: GoogleApi, place: Place) -> Mapping[str, Any] | None:
    """The newest version of the bridge's secret: its state, never its value."""
    path = f"v1/projects/{place.project}/secrets/{SECRET}/versions/latest"
    try:
        return api.get("secretmanager", path)
    except RefusedError as error:
        if error.is_missing:
            return None
        raise


def _metrics(
    api: GoogleApi, place: Place, subscription: str, now: dt.datetime
) -> dict[str, int]:
    """The newest values of a subscription's metrics."""
    values: dict[str, int] = {}
    for metric in (services.OLDEST_UNACKED, services.UNDELIVERED):
        document = api.get(
            "monitoring",
            f"v3/projects/{place.project}/timeSeries",
            {
                "filter": f'metric.type = "{metric}" AND '
                f'resource.labels.subscription_id = "{subscription}"',
                "interval.startTime": _stamp(now - services.SAMPLES),
                "interval.endTime": _stamp(now),
            },
        )
        values |= services.latest_points(document)
    return values


def _stamp(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _drain_job(api: GoogleApi, place: Place) -> Mapping[str, Any] | str:
    """The Cloud Run job; empty where there is none, text for why it is unknown."""
    try:
        return api.get("run", f"v2/{_jobs(place)}/{DRAIN_JOB}")
    except RefusedError as error:
        return {} if error.is_missing else str(error)


def _jobs(place: Place) -> str:
    return f"projects/{place.project}/locations/{place.region}/jobs"


def _runner(known: Readers, place: Place) -> Finding:
    if not place.region:
        return unknown("pipeline", NO_REGION)
    return services.runner(known.drain, known.jobs, place)


def _streams(api: GoogleApi, place: Place) -> list[Mapping[str, Any]] | str:
    """Active Dataflow jobs, or why they are unknown."""
    try:
        answer = api.get("dataflow", f"v1b3/{_jobs(place)}", {"filter": "ACTIVE"})
    except RefusedError as error:
        return str(error)
    return list(answer.get("jobs", ()))


def _quotas(api: GoogleApi, place: Place, *, drains: bool) -> Finding:
    name = "quotas for Dataflow"
    if not place.region:
        return unknown(name, NO_REGION)
    path = f"compute/v1/projects/{place.project}/regions/{place.region}"
    return _asked(
        name, lambda: services.quotas(api.get("compute", path), place, drains=drains)
    )
