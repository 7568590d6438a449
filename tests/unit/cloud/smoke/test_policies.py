"""What policies say of an account, in the forms in which Google returns them."""

import pytest

from cloud.deployment import Deployment
from cloud.smoke import policies
from cloud.smoke.needs import ACCOUNTS, needs, resources

DEPLOYMENT = Deployment("my-project", "europe-west2")
BRIDGE = "serviceAccount:iris-bridge@my-project.iam.gserviceaccount.com"
NEEDS = list(needs(DEPLOYMENT, "123456789012"))
PUBLISH = NEEDS[0]
NOTHING = {"etag": "ACAB", "version": 1}


def policy(role, *members, **binding):
    """As `getIamPolicy` answers."""
    entry = {"role": role, "members": list(members), **binding}
    return {"version": 3, "etag": "BwWWja0YfJA=", "bindings": [entry]}


PUBLISHER = policy("roles/pubsub.publisher", "user:me@example.com", BRIDGE)


def test_each_need_is_asked_of_a_resource_that_is_known():
    assert {need.resource for need in NEEDS} <= set(resources(DEPLOYMENT))
    assert {need.account for need in NEEDS} == {
        *ACCOUNTS,
        "Pub/Sub",
    }


def test_without_a_region_there_is_no_job_to_ask_for():
    deployment = Deployment("my-project")
    assert all("job" not in need.resource for need in needs(deployment, None))


def test_accounts_of_a_project_of_a_domain():
    deployment = Deployment("example.com:iris")
    assert deployment.account("a") == "a@iris.example.com.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("own", "project"), [(PUBLISHER, NOTHING), (NOTHING, PUBLISHER)]
)
def test_a_binding_there_or_on_the_project(own, project):
    finding = policies.judged(PUBLISH, own, project)
    assert finding.verdict == "ok"
    assert finding.seen.startswith("roles/pubsub.publisher on ")


def test_a_binding_counts_even_where_another_policy_is_hidden():
    assert policies.judged(PUBLISH, PUBLISHER, "403").verdict == "ok"


@pytest.mark.parametrize(
    "own",
    [
        NOTHING,
        policy("roles/pubsub.viewer", BRIDGE),
        policy("roles/pubsub.publisher", "serviceAccount:other@p.iam"),
    ],
)
def test_no_binding(own):
    finding = policies.judged(PUBLISH, own, NOTHING)
    assert finding.verdict == "FAILED"
    assert finding.todo == (
        "gcloud pubsub topics add-iam-policy-binding iris-messages "
        f"--member {BRIDGE} --role roles/pubsub.publisher --project my-project"
    )


def test_a_binding_of_a_deleted_account():
    own = policy(
        "roles/pubsub.publisher", f"deleted:{BRIDGE}?uid=123456789012345678901"
    )
    finding = policies.judged(PUBLISH, own, NOTHING)
    assert finding.verdict == "FAILED"
    assert "deleted account of the same name" in finding.seen


CONDITION = {
    "title": "until",
    "expression": 'request.time < timestamp("2026-06-01T00:00:00Z")',
}


@pytest.mark.parametrize(
    ("own", "project", "why"),
    [
        ("there was no answer", NOTHING, "there was no answer"),
        (NOTHING, "403", "403"),
        (
            policy("roles/pubsub.publisher", BRIDGE, condition=CONDITION),
            NOTHING,
            "has a condition",
        ),
        (
            policy("roles/pubsub.publisher", "group:iris@example.com"),
            NOTHING,
            "group:iris@example.com has roles/pubsub.publisher",
        ),
        (policy("projects/p/roles/iris", BRIDGE), NOTHING, "is a custom role"),
        (NOTHING, policy("roles/editor", BRIDGE), "allows only some"),
    ],
)
def test_what_a_policy_does_not_say_is_not_known(own, project, why):
    finding = policies.judged(PUBLISH, own, project)
    assert finding.verdict == "not known"
    assert why in finding.seen


def test_accesses_of_a_dataset_in_bigquerys_own_words():
    email = BRIDGE.partition(":")[2]
    dataset = {
        "kind": "bigquery#dataset",
        "access": [
            {"role": "WRITER", "specialGroup": "projectWriters"},
            {"role": "OWNER", "userByEmail": "me@example.com"},
            {"role": "WRITER", "userByEmail": email},
            {"role": "READER", "groupByEmail": "all@example.com"},
            {"role": "roles/bigquery.metadataViewer", "iamMember": "allUsers"},
            {"view": {"projectId": "p", "datasetId": "d", "tableId": "v"}},
        ],
    }
    assert policies.dataset_policy(dataset) == {
        "bindings": [
            {"role": "roles/bigquery.dataEditor", "members": ["projectEditor"]},
            {"role": "roles/bigquery.dataOwner", "members": ["user:me@example.com"]},
            {"role": "roles/bigquery.dataEditor", "members": [BRIDGE]},
            {"role": "roles/bigquery.dataViewer", "members": ["group:all@example.com"]},
            {"role": "roles/bigquery.metadataViewer", "members": ["allUsers"]},
        ]
    }


@pytest.mark.parametrize("role", ["roles/owner", "roles/editor", "roles/pubsub.admin"])
def test_roles_on_the_project_that_are_too_broad(role):
    finding = policies.too_broad(
        "iris-bridge", BRIDGE, policy(role, BRIDGE), "my-project"
    )
    assert finding.verdict == "FAILED"
    assert f"--role {role}" in finding.todo


def test_a_role_for_jobs_on_the_project_is_not_too_broad():
    given = policy("roles/bigquery.jobUser", BRIDGE)
    finding = policies.too_broad("iris-bridge", BRIDGE, given, "my-project")
    assert finding.verdict == "ok"


def test_what_everyone_may_use():
    given = {"bucket b": policy("roles/storage.objectViewer", "allUsers"), "t": "403"}
    assert policies.public(given).verdict == "FAILED"
    assert policies.public({"t": PUBLISHER}).verdict == "ok"
    assert policies.public({"t": "403"}).verdict == "not known"


def test_the_answer_of_the_account_itself():
    assert policies.tested(PUBLISH, ["pubsub.topics.publish"]).verdict == "ok"
    assert policies.tested(PUBLISH, []).verdict == "FAILED"
