"""IAM policies: whether an account has the permissions it needs. Pure functions.

The policy of a resource does not show inherited grants. A grant on the project counts,
too; a grant on a folder or the organisation is not visible here. If a group, a
condition or a custom role decides, the policy alone does not answer the question.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloud.smoke.findings import Finding, failed, ok, unknown
from command.text import listed

# BigQuery has its own old names for three roles of a dataset
# (https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets, access[].role).
DATASET_ROLES = {
    "OWNER": "roles/bigquery.dataOwner",
    "WRITER": "roles/bigquery.dataEditor",
    "READER": "roles/bigquery.dataViewer",
}
# Owners, editors and viewers of the project, as access lists of datasets name them.
_PROJECT_GROUPS = {
    "projectOwners": "projectOwner",
    "projectWriters": "projectEditor",
    "projectReaders": "projectViewer",
}
# What they allow differs by service: an editor cannot read a secret, and can write to a
# bucket only if its policy says so
# (https://cloud.google.com/iam/docs/roles-overview#basic).
BASIC_ROLES = ("roles/owner", "roles/editor")
PUBLIC = ("allUsers", "allAuthenticatedUsers")
# Members that may or may not include an account.
_GROUPS = ("group:", "domain:", "principalSet:", "principal:")

Policy = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Need:
    """Something that an account must be able to do.

    Attributes:
        account: Its name, without the project.
        member: Its name in policies: `serviceAccount:NAME@P.iam...`.
        what: What it must do, for a reader: `publish to iris-messages`.
        resource: The kind of resource and its name, as in `Resource.key`.
        roles: Roles that allow it; the first is the one to grant.
        permissions: The permissions to test with `testIamPermissions`.
        grant: The command that grants it.
        optional: When it is not needed; empty if it is always needed.
    """

    account: str
    member: str
    what: str
    resource: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    grant: str
    optional: str = ""

    @property
    def name(self) -> str:
        """The name of its check."""
        return f"{self.account}: {self.what}"


def dataset_policy(dataset: Mapping[str, Any]) -> Policy:
    """The access list of a dataset, in the form of all other policies."""
    bindings = []
    for entry in dataset.get("access", ()):
        if "role" not in entry:
            continue  # an authorised view, routine or dataset
        role = DATASET_ROLES.get(entry["role"], entry["role"])
        binding: dict[str, Any] = {"role": role, "members": [_member(entry)]}
        if "condition" in entry:
            binding["condition"] = entry["condition"]
        bindings.append(binding)
    return {"bindings": bindings}


def _member(entry: Mapping[str, Any]) -> str:
    if email := entry.get("userByEmail"):
        kind = "serviceAccount" if email.endswith("gserviceaccount.com") else "user"
        return f"{kind}:{email}"
    if group := entry.get("groupByEmail"):
        return f"group:{group}"
    if domain := entry.get("domain"):
        return f"domain:{domain}"
    special = entry.get("specialGroup", "")
    return str(entry.get("iamMember") or _PROJECT_GROUPS.get(special, special))


def judged(need: Need, policy: Policy | str, project: Policy | str) -> Finding:
    """Whether policies allow what is needed.

    Args:
        need: What is needed.
        policy: The policy of the resource, or why it is not known.
        project: The policy of its project, or why it is not known.
    """
    maybe: list[str] = []
    for given, where in ((policy, need.resource), (project, "the project")):
        if isinstance(given, str):
            continue
        for role, condition in _roles_of(given, need.member):
            if role in need.roles and not condition:
                return ok(need.name, f"{role} on {where}")
            if role in need.roles:
                maybe.append(f"{role} on {where} has a condition")
            elif role in BASIC_ROLES:
                maybe.append(f"{role} on {where} allows only some actions")
            elif not role.startswith("roles/"):
                maybe.append(f"{role} on {where} is a custom role")
        maybe += _of_groups(given, need, where)
    maybe += [each for each in (policy, project) if isinstance(each, str)]
    if maybe:
        return unknown(
            need.name, listed(maybe), "run with --impersonate to ask as the account"
        )
    seen = f"no binding of {need.roles[0]} on {need.resource} or its project"
    if not isinstance(policy, str) and _is_deleted(policy, need.member):
        seen += ", except for a deleted account of the same name"
    return failed(need.name, seen, need.grant)


def tested(need: Need, granted: Sequence[str]) -> Finding:
    """What `testIamPermissions` answered to the account itself.

    It includes groups, conditions and folders. Google designed it for user interfaces:
    a yes may be wrong, a no is reliable.
    """
    lacking = [each for each in need.permissions if each not in granted]
    if lacking:
        return failed(
            need.name, f"asked as this account: no {listed(lacking)}", need.grant
        )
    return ok(need.name, f"asked as this account: has {listed(need.permissions)}")


def too_broad_name(account: str) -> str:
    """The name of the check `too_broad`."""
    return f"{account}: no roles that it does not need"


def too_broad(account: str, member: str, policy: Policy, project: str) -> Finding:
    """Whether an account has roles on the whole project that it cannot need."""
    name = too_broad_name(account)
    broad = sorted(
        {
            role
            for role, _ in _roles_of(policy, member)
            if role in BASIC_ROLES or role.lower().endswith("admin")
        }
    )
    if not broad:
        return ok(name, "no basic or admin role on the project")
    return failed(
        name,
        f"{listed(broad)} on the whole project",
        f"gcloud projects remove-iam-policy-binding {project} --member {member} "
        f"--role {broad[0]} --condition None",
    )


def public(policies: Mapping[str, Policy | str]) -> Finding:
    """Whether a resource is open to everyone."""
    known = {k: policy for k, policy in policies.items() if not isinstance(policy, str)}
    found = [
        f"{binding['role']} on {resource} for {member}"
        for resource, policy in known.items()
        for binding in policy.get("bindings", ())
        for member in binding.get("members", ())
        if member in PUBLIC
    ]
    if found:
        return failed(
            "public access",
            listed(found),
            "remove these bindings from the permissions of the resource",
        )
    if not known:
        return unknown("public access", "no policy could be read")
    return ok("public access", f"none in {len(known)} policies")


def _roles_of(policy: Policy, member: str) -> Iterator[tuple[str, bool]]:
    """The roles of a member, each with whether it has a condition."""
    for binding in policy.get("bindings", ()):
        if member in binding.get("members", ()):
            yield binding["role"], bool(binding.get("condition"))


def _of_groups(policy: Policy, need: Need, where: str) -> Iterator[str]:
    for binding in policy.get("bindings", ()):
        if binding["role"] in need.roles:
            for member in binding.get("members", ()):
                if member.startswith(_GROUPS):
                    yield f"{member} has {binding['role']} on {where}"


def _is_deleted(policy: Policy, member: str) -> bool:
    return any(
        each.startswith(f"deleted:{member}?")
        for binding in policy.get("bindings", ())
        for each in binding.get("members", ())
    )
