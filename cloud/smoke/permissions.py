"""Permissions: reads the policies of a deployment, or asks as its accounts."""

from collections.abc import Iterator

from cloud.deployment import Deployment
from cloud.smoke import policies
from cloud.smoke.findings import Finding, failed, unknown
from cloud.smoke.google_api import GoogleApi, RefusedError
from cloud.smoke.needs import ACCOUNTS, Resource, needs, resources
from cloud.smoke.policies import Need, Policy

RESOURCE_MANAGER = "cloudresourcemanager"
# Older versions of a policy do not show the condition of a binding.
_VERSION = 3
_MISSING = "there is no "


def findings(
    api: GoogleApi, deployment: Deployment, *, impersonate: bool = False
) -> Iterator[Finding]:
    """Whether each account has the permissions that it needs, and not many more.

    Args:
        api: The APIs, as the caller.
        impersonate: Ask as each account. If the caller may not, or without this option,
            the policies are read instead.
    """
    project = _project_policy(api, deployment)
    known = resources(deployment)
    given = {key: _policy(api, resource) for key, resource in known.items()}
    absent = {}
    for name in ACCOUNTS:
        if missing := _missing_account(api, deployment, name):
            absent[name] = missing
    yield from absent.values()
    number = _project_number(api, deployment)
    if not number:
        yield unknown(
            "Pub/Sub: forward dead letters",
            "the number of the project is not readable, and the account of Pub/Sub is "
            "named after it",
            f"ask for roles/browser on {deployment.project}",
        )
    asked = _Asked(api, impersonate=impersonate)
    for need in needs(deployment, number):
        if need.account not in absent:
            policy = given[need.resource]
            answer = asked.as_account(need, known[need.resource], policy)
            yield answer or policies.judged(need, policy, project)
    for name in ACCOUNTS:
        if name not in absent:
            yield _too_broad(deployment, name, project)
    yield policies.public(given)


class _Asked:
    """Asks as accounts, with one token for each."""

    def __init__(self, api: GoogleApi, *, impersonate: bool) -> None:
        self._api = api
        self._impersonate = impersonate
        self._as: dict[str, GoogleApi | None] = {}

    def as_account(
        self, need: Need, resource: Resource, policy: Policy | str
    ) -> Finding | None:
        """The account's own answer; None if only the policies can show it."""
        if isinstance(policy, str) and policy.startswith(_MISSING):
            why = f"{policy}: fine if {need.optional}" if need.optional else policy
            return unknown(need.name, why)
        if not self._impersonate or (api := self._account(need.member)) is None:
            return None
        try:
            return policies.tested(need, _granted(api, resource, need))
        except RefusedError as error:
            return unknown(need.name, f"asked as this account: {error}")

    def _account(self, member: str) -> GoogleApi | None:
        if member not in self._as:
            try:
                account = member.partition(":")[2]
                self._as[member] = self._api.impersonating(account)
            except RefusedError:
                self._as[member] = None
        return self._as[member]


def _granted(api: GoogleApi, resource: Resource, need: Need) -> list[str]:
    if resource.host == "storage":
        params = {"permissions": list(need.permissions)}
        answer = api.get(resource.host, resource.test, params)
    else:
        body = {"permissions": list(need.permissions)}
        answer = api.post(resource.host, resource.test, body)
    return list(answer.get("permissions", ()))


def _policy(api: GoogleApi, resource: Resource) -> Policy | str:
    """The policy of a resource, or why it is not known."""
    params = {
        "bigquery": {},
        "storage": {"optionsRequestedPolicyVersion": _VERSION},
    }.get(resource.host, {"options.requestedPolicyVersion": _VERSION})
    try:
        answer = api.get(resource.host, resource.policy, params)
    except RefusedError as error:
        return f"{_MISSING}{resource.key}" if error.is_missing else str(error)
    if resource.host != "bigquery":
        return answer
    if "access" not in answer:
        return f"you may not see who has access to {resource.key}"
    return policies.dataset_policy(answer)


def _project_policy(api: GoogleApi, deployment: Deployment) -> Policy | str:
    body = {"options": {"requestedPolicyVersion": _VERSION}}
    path = f"v1/projects/{deployment.project}:getIamPolicy"
    try:
        return api.post(RESOURCE_MANAGER, path, body)
    except RefusedError as error:
        return f"the project's policy is not readable ({error})"


def _project_number(api: GoogleApi, deployment: Deployment) -> str | None:
    try:
        answer = api.get(RESOURCE_MANAGER, f"v1/projects/{deployment.project}")
    except RefusedError:
        return None
    return answer.get("projectNumber")


def _missing_account(
    api: GoogleApi, deployment: Deployment, name: str
) -> Finding | None:
    account = deployment.account(name)
    path = f"v1/projects/{deployment.project}/serviceAccounts/{account}"
    try:
        answer = api.get("iam", path)
    except RefusedError as error:
        if error.is_missing:
            return failed(
                f"{name}: account",
                f"{account} does not exist",
                deployment.gcloud(f"iam service-accounts create {name}"),
            )
        return None
    if answer.get("disabled"):
        return failed(
            f"{name}: account",
            f"{account} is disabled",
            deployment.gcloud(f"iam service-accounts enable {account}"),
        )
    return None


def _too_broad(deployment: Deployment, name: str, project: Policy | str) -> Finding:
    if isinstance(project, str):
        return unknown(policies.too_broad_name(name), project)
    member = f"serviceAccount:{deployment.account(name)}"
    return policies.too_broad(name, member, project, deployment.project)
