"""Permissions: asks for the policies of a deployment, or asks as its accounts."""

from __future__ import annotations

from collections.abc import Iterator

from cloud.place import Place
from cloud.smoke import policies
from cloud.smoke.findings import Finding, failed, unknown
from cloud.smoke.google_api import GoogleApi, RefusedError
from cloud.smoke.needs import ACCOUNTS, Resource, needs, resources
from cloud.smoke.policies import Need, Policy

RESOURCE_MANAGER = "cloudresourcemanager"
# So that bindings with a condition are shown as what they are.
_VERSION = 3


def findings(
    api: GoogleApi, place: Place, *, impersonate: bool = False
) -> Iterator[Finding]:
    """Whether each account may do what it must, and not much else.

    Args:
        api: The APIs, as the caller.
        place: The deployment.
        impersonate: Ask as each account where the caller may; else, or where not, read
            the policies.
    """
    project = _project_policy(api, place)
    known = resources(place)
    given = {key: _policy(api, resource) for key, resource in known.items()}
    absent = {}
    for name in ACCOUNTS:
        if missing := _missing_account(api, place, name):
            absent[name] = missing
    yield from absent.values()
    number = _project_number(api, place)
    if not number:
        yield unknown("Pub/Sub: forward dead letters", "no project number")
    asked = _Asked(api, impersonate=impersonate)
    for need in needs(place, number):
        if need.account not in absent:
            policy = given[need.resource]
            answer = asked.as_account(need, known[need.resource], policy)
            yield answer or policies.judged(need, policy, project)
    for name in ACCOUNTS:
        if name not in absent:
            yield _too_broad(place, name, project)
    yield policies.public(given)


class _Asked:
    """Asks as accounts, one token each."""

    def __init__(self, api: GoogleApi, *, impersonate: bool) -> None:
        self._api = api
        self._impersonate = impersonate
        self._as: dict[str, GoogleApi | None] = {}

    def as_account(
        self, need: Need, resource: Resource, policy: Policy | str
    ) -> Finding | None:
        """The account's own answer; None where only the policies tell."""
        if isinstance(policy, str) and policy.startswith(_MISSING):
            why = f"{policy}: fine where {need.optional}" if need.optional else policy
            return unknown(need.name, why)
        if not self._impersonate or (api := self._account(need.member)) is None:
            return None
        try:
            return policies.tested(need, _granted(api, resource, need))
        except RefusedError as error:
            return unknown(need.name, f"asked as it: {error}")

    def _account(self, member: str) -> GoogleApi | None:
        if member not in self._as:
            try:
                account = member.partition(":")[2]
                self._as[member] = self._api.impersonating(account)
            except RefusedError:
                self._as[member] = None
        return self._as[member]


_MISSING = "there is no "


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
        return f"who may use {resource.key} is not shown to you"
    return policies.dataset_policy(answer)


def _project_policy(api: GoogleApi, place: Place) -> Policy | str:
    body = {"options": {"requestedPolicyVersion": _VERSION}}
    path = f"v1/projects/{place.project}:getIamPolicy"
    try:
        return api.post(RESOURCE_MANAGER, path, body)
    except RefusedError as error:
        return f"the project's policy is not readable ({error})"


def _project_number(api: GoogleApi, place: Place) -> str | None:
    try:
        answer = api.get(RESOURCE_MANAGER, f"v1/projects/{place.project}")
    except RefusedError:
        return None
    return answer.get("projectNumber")


def _missing_account(api: GoogleApi, place: Place, name: str) -> Finding | None:
    account = place.account(name)
    path = f"v1/projects/{place.project}/serviceAccounts/{account}"
    try:
        answer = api.get("iam", path)
    except RefusedError as error:
        if error.is_missing:
            return failed(
                f"{name}: account",
                f"{account} does not exist",
                f"gcloud iam service-accounts create {name} --project {place.project}",
            )
        return None
    if answer.get("disabled"):
        return failed(
            f"{name}: account",
            f"{account} is disabled",
            f"gcloud iam service-accounts enable {account} --project {place.project}",
        )
    return None


def _too_broad(place: Place, name: str, project: Policy | str) -> Finding:
    if isinstance(project, str):
        return unknown(f"{name}: no more than that", project)
    member = f"serviceAccount:{place.account(name)}"
    return policies.too_broad(name, member, project, place.project)
