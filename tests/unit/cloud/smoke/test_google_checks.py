"""The thin client and what it asks, against a server that answers as Google does."""

import datetime as dt
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from requests import Session

from cloud.deployment import Deployment
from cloud.smoke import google_api, google_checks, permissions
from cloud.smoke.google_api import GoogleApi, RefusedError
from cloud.smoke.needs import ACCOUNTS

DEPLOYMENT = Deployment("my-project", "europe-west2")
NOW = dt.datetime(2026, 5, 6, 3, tzinfo=dt.UTC)
P = "projects/my-project"


class Google:
    """Answers by path; what has no answer is not found. `asked` is what came."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        google = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer({})

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                self.answer(json.loads(self.rfile.read(length)))

            def answer(self, body):
                url = urlsplit(self.path)
                token = self.headers.get("Authorization")
                google.asked.append((url.path, parse_qs(url.query), body, token))
                code, document = google.answers.get(
                    url.path, (404, error(404, "Requested entity was not found."))
                )
                data = json.dumps(document).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def say(self, path, document=None, code=200):
        self.answers[f"/{path}"] = code, document or {}


def error(code, message):
    return {"error": {"code": code, "message": message, "status": "X"}}


DENIED = error(403, "Permission 'x' denied on resource (or it may not exist).\nMore.")


@pytest.fixture
def google():
    google = Google()
    thread = threading.Thread(target=google.server.serve_forever, args=(0.02,))
    thread.start()
    yield google
    google.server.shutdown()
    thread.join()
    google.server.server_close()


@pytest.fixture
def api(google):
    return GoogleApi(Session(), f"http://127.0.0.1:{google.server.server_port}")


def member(name):
    return f"serviceAccount:{DEPLOYMENT.account(name)}"


def bound(role, *members):
    return {"version": 1, "bindings": [{"role": role, "members": list(members)}]}


@pytest.fixture
def deployed(google):
    """Every policy as it should be."""
    agent = "serviceAccount:service-12345@gcp-sa-pubsub.iam.gserviceaccount.com"
    pipeline = member("iris-pipeline")
    policies = {
        "pubsub/v1/{P}/topics/iris-messages": bound(
            "roles/pubsub.publisher", member("iris-bridge")
        ),
        "pubsub/v1/{P}/topics/iris-messages-dead-letters": bound(
            "roles/pubsub.publisher", agent
        ),
        "pubsub/v1/{P}/subscriptions/iris-messages-pipeline": bound(
            "roles/pubsub.subscriber", pipeline, agent
        ),
        "secretmanager/v1/{P}/secrets/iris-client-secret": bound(
            "roles/secretmanager.secretAccessor", member("iris-bridge")
        ),
        "run/v2/{P}/locations/europe-west2/jobs/iris-drain": bound(
            "roles/run.invoker", member("iris-scheduler")
        ),
        "artifactregistry/v1/{P}/locations/europe-west2/repositories/gb-iris": bound(
            "roles/artifactregistry.writer", member("iris-builder")
        ),
        "cloudresourcemanager/v1/{P}": {"etag": "ACAB"},
    }
    for path, policy in policies.items():
        google.say(f"{path.format(P=P)}:getIamPolicy", policy)
    google.say(f"cloudresourcemanager/v1/{P}", {"projectNumber": "12345"})
    for bucket in ("raw", "staging"):
        google.say(
            f"storage/storage/v1/b/my-project-iris-{bucket}/iam",
            bound("roles/storage.objectUser", pipeline, member("iris-builder")),
        )
    email = DEPLOYMENT.account("iris-pipeline")
    google.say(
        f"bigquery/bigquery/v2/{P}/datasets/uk_energy_prod",
        {"access": [{"role": "WRITER", "userByEmail": email}]},
    )
    for name in ACCOUNTS:
        account = DEPLOYMENT.account(name)
        google.say(f"iam/v1/{P}/serviceAccounts/{account}", {"email": account})
    return google


def judged(api, **options):
    found = list(permissions.findings(api, DEPLOYMENT, **options))
    assert len({each.name for each in found}) == len(found)
    return {each.name: each for each in found}


def failures(findings):
    return [each.name for each in findings.values() if each.verdict == "FAILED"]


def test_all_policies_are_as_they_should_be(api, deployed):
    findings = judged(api)
    assert {each.verdict for each in findings.values()} == {"ok"}
    assert len(findings) == 16
    paths = [path for path, query, *_ in deployed.asked if "getIamPolicy" in path]
    assert len(paths) == 7


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (
            f"pubsub/v1/{P}/topics/iris-messages",
            "iris-bridge: publish to iris-messages",
        ),
        (
            f"pubsub/v1/{P}/topics/iris-messages-dead-letters",
            "Pub/Sub: publish to iris-messages-dead-letters",
        ),
        (
            f"secretmanager/v1/{P}/secrets/iris-client-secret",
            "iris-bridge: read the secret iris-client-secret",
        ),
        (
            f"run/v2/{P}/locations/europe-west2/jobs/iris-drain",
            "iris-scheduler: start iris-drain",
        ),
    ],
)
def test_a_binding_is_missing(api, deployed, path, name):
    deployed.say(f"{path}:getIamPolicy", {"etag": "ACAB"})
    assert failures(judged(api)) == [name]


def test_a_policy_that_the_caller_may_not_read_is_not_known(api, deployed):
    path = f"secretmanager/v1/{P}/secrets/iris-client-secret:getIamPolicy"
    deployed.say(path, DENIED, 403)
    finding = judged(api)["iris-bridge: read the secret iris-client-secret"]
    assert finding.verdict == "not known"
    assert "secretmanager: 403 Permission 'x' denied" in finding.seen
    assert "More." not in finding.seen


def test_accesses_that_bigquery_does_not_show_are_not_known(api, deployed):
    path = f"bigquery/bigquery/v2/{P}/datasets/uk_energy_prod"
    deployed.say(path, {"kind": "bigquery#dataset"})
    assert judged(api)["iris-pipeline: write to uk_energy_prod"].verdict == "not known"


def test_a_bucket_that_is_not_there_may_not_be_needed(api, deployed):
    del deployed.answers["/storage/storage/v1/b/my-project-iris-staging/iam"]
    finding = judged(api)["iris-pipeline: write to gs://my-project-iris-staging"]
    assert finding.verdict == "not known"
    assert finding.seen.endswith("fine if Dataflow is not used")


def test_an_account_that_is_not_there(api, deployed):
    account = DEPLOYMENT.account("iris-scheduler")
    del deployed.answers[f"/iam/v1/{P}/serviceAccounts/{account}"]
    findings = judged(api)
    assert failures(findings) == ["iris-scheduler: account"]
    assert "iris-scheduler: start iris-drain" not in findings


def test_an_account_that_edits_everything(api, deployed):
    deployed.say(
        f"cloudresourcemanager/v1/{P}:getIamPolicy",
        bound("roles/editor", member("iris-pipeline")),
    )
    assert failures(judged(api)) == ["iris-pipeline: no roles that it does not need"]


def test_nothing_can_be_read(api):
    findings = judged(api)
    assert set(failures(findings)) == {f"{name}: account" for name in ACCOUNTS}


def impersonated(google, name, token):
    google.say(
        f"iamcredentials/v1/projects/-/serviceAccounts/{DEPLOYMENT.account(name)}"
        ":generateAccessToken",
        {"accessToken": token, "expireTime": "2026-05-06T03:05:00Z"},
    )


def test_the_account_itself_is_asked(api, deployed):
    impersonated(deployed, "iris-bridge", "secret-of-bridge")
    topic = f"pubsub/v1/{P}/topics/iris-messages:testIamPermissions"
    deployed.say(topic, {"permissions": ["pubsub.topics.publish"]})
    secret = f"secretmanager/v1/{P}/secrets/iris-client-secret:testIamPermissions"
    deployed.say(secret, {})
    findings = judged(api, impersonate=True)
    assert failures(findings) == ["iris-bridge: read the secret iris-client-secret"]
    seen = findings["iris-bridge: publish to iris-messages"].seen
    assert "asked as this account" in seen
    asked = [each for each in deployed.asked if each[0] == f"/{topic}"]
    body, token = asked[0][2:]
    assert body == {"permissions": ["pubsub.topics.publish"]}
    assert token == "Bearer secret-of-bridge"
    assert not any("secret-of-bridge" in str(each) for each in findings.values())


def test_if_the_caller_may_not_impersonate_policies_are_read(api, deployed):
    findings = judged(api, impersonate=True)
    assert failures(findings) == []
    assert findings["iris-bridge: publish to iris-messages"].seen.startswith("roles/")


def test_permissions_for_a_bucket_are_a_query(api, deployed):
    impersonated(deployed, "iris-pipeline", "t")
    path = "storage/storage/v1/b/my-project-iris-raw/iam/testPermissions"
    wanted = [f"storage.objects.{v}" for v in ("create", "get", "list", "delete")]
    deployed.say(path, {"kind": "storage#t", "permissions": wanted})
    findings = judged(api, impersonate=True)
    finding = findings["iris-pipeline: write to gs://my-project-iris-raw"]
    assert finding.verdict == "ok"
    (query,) = (query for asked, query, *_ in deployed.asked if asked == f"/{path}")
    assert query == {"permissions": wanted}


def whole(api):
    found = google_checks.findings(
        api, DEPLOYMENT, google_checks.readers(api, DEPLOYMENT), NOW, impersonate=False
    )
    return {each.name: each for each in found}


def test_a_project_that_answers_nothing_is_not_known(api):
    findings = whole(api)
    assert findings["secret"].verdict == "FAILED"
    for name in ("APIs", "billing", "backlog", "quotas for Dataflow"):
        assert findings[name].verdict == "not known"


def test_the_questions_are_those_of_the_documentation(api, google):
    jobs = f"{P}/locations/europe-west2/jobs"
    google.say(f"run/v2/{jobs}/iris-drain", {"latestCreatedExecution": {"name": "e"}})
    metric = {"type": "pubsub.googleapis.com/subscription/oldest_unacked_message_age"}
    points = [{"value": {"int64Value": "9"}}]
    document = {"timeSeries": [{"metric": metric, "points": points}]}
    google.say(f"monitoring/v3/{P}/timeSeries", document)
    secret = f"secretmanager/v1/{P}/secrets/iris-client-secret/versions/latest"
    google.say(secret, {"state": "ENABLED"})
    findings = whole(api)
    assert findings["secret"].verdict == "ok"
    assert findings["pipeline"].verdict == "ok"
    assert findings["backlog"].seen == "the oldest message is 0:00:09 old"
    asked = {path: query for path, query, *_ in google.asked}
    names = asked[f"/serviceusage/v1/{P}/services:batchGet"]["names"]
    assert f"{P}/services/pubsub.googleapis.com" in names
    samples = asked[f"/monitoring/v3/{P}/timeSeries"]
    assert samples["interval.endTime"] == ["2026-05-06T03:00:00Z"]
    assert "iris-messages-dead-letters" in samples["filter"][0]


def test_a_running_job_of_dataflow_is_a_stream(api, google):
    jobs = f"dataflow/v1b3/{P}/locations/europe-west2/jobs"
    running = {"name": "gb-iris", "currentState": "JOB_STATE_RUNNING"}
    google.say(jobs, {"jobs": [running]})
    assert google_checks.readers(api, DEPLOYMENT).is_streaming is True
    assert google_checks.readers(api, Deployment("my-project")).is_streaming is None


def test_a_server_that_is_away_is_a_refusal():
    api = GoogleApi(Session(), "http://127.0.0.1:9")
    with pytest.raises(RefusedError, match="pubsub: ") as refused:
        api.get("pubsub", "v1/x")
    assert not refused.value.is_missing
    assert len(str(refused.value).splitlines()) == 1


def test_the_address_of_an_api():
    class Sent(Session):
        def request(self, method, url, **options):
            self.sent = method, url
            raise google_api.RequestException("offline")

    session = Sent()
    with pytest.raises(RefusedError):
        GoogleApi(session).get("pubsub", "v1/projects/p/topics/t:getIamPolicy")
    assert session.sent == (
        "GET",
        "https://pubsub.googleapis.com/v1/projects/p/topics/t:getIamPolicy",
    )


def test_local_servers_have_no_iam():
    findings = list(google_checks.local_findings())
    assert {each.verdict for each in findings} == {"not known"}
    assert "local servers have no IAM" in {each.seen for each in findings}


def alerts_of(api):
    found = google_checks._alerts(api, DEPLOYMENT, NOW)
    return {each.name: each for each in found}


@pytest.fixture
def alerted(google):
    """An alert on a metric, and one on a line of a log."""
    metric = {"conditionAbsent": {"filter": 'metric.type = "a"'}}
    line = {"conditionMatchedLog": {"filter": 'textPayload:"b"'}}
    policies = [
        {
            "displayName": "gb-iris: x",
            "notificationChannels": ["c"],
            "conditions": [metric, line],
        }
    ]
    google.say(f"monitoring/v3/{P}/alertPolicies", {"alertPolicies": policies})
    google.say(f"monitoring/v3/{P}/timeSeries")
    google.say("logging/v2/entries:list")
    return google


def test_each_filter_of_an_alert_is_asked_of_its_service(api, alerted):
    found = alerts_of(api)
    assert {each.verdict for each in found.values()} == {"ok"}
    asked = {path: (query, body) for path, query, body, _ in alerted.asked}
    query, _ = asked[f"/monitoring/v3/{P}/timeSeries"]
    assert query["filter"] == ['metric.type = "a"']
    _, body = asked["/logging/v2/entries:list"]
    assert body["filter"] == 'textPayload:"b"'


def test_a_filter_that_is_refused_is_reported(api, alerted):
    refusal = error(400, "Unparseable filter")
    alerted.say("logging/v2/entries:list", refusal, 400)
    finding = alerts_of(api)["alert filters"]
    assert finding.verdict == "FAILED"
    assert "Unparseable filter" in finding.seen


def test_filters_that_the_caller_may_not_try_are_not_known(api, alerted):
    alerted.say("logging/v2/entries:list", DENIED, 403)
    assert alerts_of(api)["alert filters"].verdict == "not known"
