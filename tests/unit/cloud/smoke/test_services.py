"""What Google's documents say of a project."""

import datetime as dt

import pytest

from cloud.deployment import Deployment
from cloud.smoke import services

DEPLOYMENT = Deployment("my-project", "europe-west2")


EVERY = (*services.REQUIRED_APIS, *services.DRAIN_APIS, *services.DATAFLOW_APIS)


def apis_without(*names):
    """The finding for a response of `services:batchGet`."""
    found = [
        {
            "name": f"projects/123/services/{name}.googleapis.com",
            "state": "DISABLED" if name in names else "ENABLED",
        }
        for name in EVERY
    ]
    return services.apis({"services": found}, DEPLOYMENT)


@pytest.mark.parametrize("names", [(), services.DRAIN_APIS, services.DATAFLOW_APIS])
def test_one_mode_of_the_pipeline_is_enough(names):
    assert apis_without(*names).verdict == "ok"


@pytest.mark.parametrize("names", [("bigquery",), ("run", "dataflow")])
def test_an_api_that_is_not_enabled(names):
    finding = apis_without(*names)
    assert finding.verdict == "FAILED"
    assert finding.todo == (
        f"gcloud services enable {names[0]}.googleapis.com --project my-project"
    )


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ({"name": "projects/1/secrets/s/versions/1", "state": "ENABLED"}, "ok"),
        ({"name": "projects/1/secrets/s/versions/1", "state": "DISABLED"}, "FAILED"),
        (None, "FAILED"),
    ],
)
def test_the_secret_has_a_value(version, verdict):
    assert services.secret(version, DEPLOYMENT).verdict == verdict


def test_billing():
    account = "billingAccounts/012345-567890-ABCDEF"
    document = {"billingAccountName": account, "billingEnabled": True}
    assert services.billing(document, DEPLOYMENT).verdict == "ok"
    assert services.billing({"billingAccountName": ""}, DEPLOYMENT).verdict == "FAILED"


def region(**free):
    """As `regions.get` answers."""
    wanted = {**services.QUOTAS, **free}
    quotas = [
        {"metric": name, "limit": 100.0 + count, "usage": 100.0}
        for name, count in wanted.items()
    ]
    return {"kind": "compute#region", "name": "europe-west2", "quotas": quotas}


def quotas(document, *, drains=False):
    return services.quotas(document, DEPLOYMENT, drains=drains)


def test_quotas():
    assert quotas(region()).verdict == "ok"
    finding = quotas(region(CPUS=7, SNAPSHOTS=0))
    assert (finding.verdict, finding.seen) == ("FAILED", "CPUS: 7 free, 8 needed")
    assert quotas({"quotas": []}).verdict == "not known"


def test_a_drain_job_needs_no_quota():
    assert quotas(region(CPUS=7), drains=True).verdict == "not known"


def series(metric, value):
    """As `timeSeries.list` answers, the newest point first."""
    points = [
        {
            "interval": {"startTime": f"2026-05-06T03:0{n}:00Z"},
            "value": {"int64Value": str(value + n)},
        }
        for n in (0, 1)
    ]
    return {"timeSeries": [{"metric": {"type": metric}, "points": points}]}


def test_the_newest_sample_is_taken():
    document = series(services.OLDEST_UNACKED, 17)
    assert services.latest_points(document) == {services.OLDEST_UNACKED: 17}
    assert services.latest_points({}) == {}


@pytest.mark.parametrize(
    ("age", "verdict"),
    [(dt.timedelta(minutes=6), "ok"), (dt.timedelta(hours=2), "FAILED")],
)
def test_the_age_of_what_waits(age, verdict):
    values = {services.OLDEST_UNACKED: int(age.total_seconds())}
    assert services.backlog(values, DEPLOYMENT).verdict == verdict


def test_without_a_sample_nothing_is_known():
    assert services.backlog({}, DEPLOYMENT).verdict == "not known"
    assert services.given_up({}, DEPLOYMENT).verdict == "not known"


def test_messages_that_were_given_up():
    assert services.given_up({services.UNDELIVERED: 0}, DEPLOYMENT).verdict == "ok"
    assert services.given_up({services.UNDELIVERED: 3}, DEPLOYMENT).verdict == "FAILED"


def job(status=None):
    """As `projects.locations.jobs.get` of Cloud Run answers."""
    document = {"name": "projects/p/locations/r/jobs/iris-drain"}
    if status:
        document["latestCreatedExecution"] = {
            "name": "iris-drain-abcde",
            "createTime": "2026-05-06T03:00:00.000000Z",
            "completionStatus": status,
        }
    return document


DATAFLOW = {"name": "gb-iris", "currentState": "JOB_STATE_RUNNING"}


@pytest.mark.parametrize(
    ("drain", "jobs", "verdict"),
    [
        (job("EXECUTION_SUCCEEDED"), [], "ok"),
        (job("EXECUTION_RUNNING"), "403", "ok"),
        ({}, [DATAFLOW], "ok"),
        ("403", [DATAFLOW], "ok"),
        (job("EXECUTION_FAILED"), [], "FAILED"),
        (job(), [], "FAILED"),
        ({}, [], "FAILED"),
        ({}, [DATAFLOW | {"name": "another"}], "FAILED"),
        ({}, [DATAFLOW | {"currentState": "JOB_STATE_PENDING"}], "FAILED"),
        ("403", [], "not known"),
        ({}, "403", "not known"),
    ],
)
def test_who_reads_the_subscription(drain, jobs, verdict):
    assert services.runner(drain, jobs, DEPLOYMENT).verdict == verdict


@pytest.mark.parametrize(
    ("drain", "jobs", "streams"),
    [
        ({}, [DATAFLOW], True),
        (job("EXECUTION_SUCCEEDED"), [], False),
        (job("EXECUTION_SUCCEEDED"), "403", False),
        ({}, [], None),
        ("403", "403", None),
    ],
)
def test_whether_it_is_dataflow(drain, jobs, streams):
    assert services.is_streaming(drain, jobs) is streams


def job(created, completed, timeout="285s"):
    latest = {"createTime": created, "completionTime": completed}
    template = {"template": {"timeout": timeout}}
    return {"latestCreatedExecution": latest, "template": template}


def test_a_drain_that_ends_in_time():
    finding = services.drain_time(
        job("2026-05-06T03:00:00.5Z", "2026-05-06T03:00:42.500000Z")
    )
    assert (finding.verdict, finding.seen) == ("ok", "the last run took 42 s of 285")


def test_a_drain_that_cloud_run_stopped():
    finding = services.drain_time(job("2026-05-06T03:00:00Z", "2026-05-06T03:04:45Z"))
    assert finding.verdict == "FAILED"


def test_a_drain_that_still_runs_has_no_time():
    finding = services.drain_time(job("2026-05-06T03:00:00Z", None))
    assert finding.verdict == "not known"
