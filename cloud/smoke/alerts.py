"""Alerts: whether Cloud Monitoring has them, and accepts what they look for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloud.deployment import Deployment
from cloud.smoke.findings import Finding, failed, ok, unknown
from command.text import listed

# The display names of those in templates/terraform/modules/alerts begin so.
PREFIX = "gb-iris: "
NAME = "alerts"
FILTERS = "alert filters"
CREATE = "terraform -chdir=templates/terraform apply"
OF_LOGS = "conditionMatchedLog"
KINDS = ("conditionThreshold", "conditionAbsent", OF_LOGS)
Policy = Mapping[str, Any]


def of_deployment(document: Mapping[str, Any]) -> list[Policy]:
    """Our alerts, from a response of `alertPolicies.list`."""
    return [
        policy
        for policy in document.get("alertPolicies", ())
        if policy.get("displayName", "").startswith(PREFIX)
    ]


def existing(policies: Sequence[Policy], deployment: Deployment) -> Finding:
    """Whether there are alerts, all of them enabled and with somebody to tell."""
    if not policies:
        return failed(
            NAME,
            f"Cloud Monitoring has none in {deployment.project}",
            CREATE,
        )
    off = [_short(one) for one in policies if one.get("enabled") is False]
    if off:
        return failed(NAME, f"disabled: {listed(off)}", CREATE)
    silent = [_short(one) for one in policies if not one.get("notificationChannels")]
    if silent:
        return unknown(
            NAME,
            f"{len(silent)} of {len(policies)} notify nobody, and appear in the "
            "console only",
            f"set alert_email in terraform.tfvars, then {CREATE}",
        )
    return ok(NAME, f"{len(policies)}, all enabled, each with a channel")


def filters(policies: Sequence[Policy]) -> Iterator[tuple[str, str, bool]]:
    """Name of the alert, filter, and whether it is one of logs, for each condition."""
    for policy in policies:
        for condition in policy.get("conditions", ()):
            for kind in (
                "conditionThreshold",
                "conditionAbsent",
                "conditionMatchedLog",
            ):
                if kind in condition:
                    is_log = kind == "conditionMatchedLog"
                    yield _short(policy), condition[kind]["filter"], is_log


def accepted(refusals: Mapping[str, str], asked: int) -> Finding:
    """Whether the services accept the filters.

    Args:
        refusals: What they answered to a filter that they refused, by alert.
        asked: How many they were asked.
    """
    if refusals:
        why = next(iter(refusals.values()))
        return failed(FILTERS, f"{listed(list(refusals))}: {why}", CREATE)
    if not asked:
        return unknown(FILTERS, "there are no alerts")
    return ok(FILTERS, f"Monitoring and Logging accept all {asked}")


def _short(policy: Policy) -> str:
    return str(policy.get("displayName", "")).removeprefix(PREFIX)
