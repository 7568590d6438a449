"""The alerts of a deployment, and what the services say of their filters."""

from cloud.deployment import Deployment
from cloud.smoke import alerts

DEPLOYMENT = Deployment("my-project", "europe-west2")


def policy(name="the stream falls behind", **changes):
    condition = {"conditionThreshold": {"filter": "metric"}}
    line = {"conditionMatchedLog": {"filter": "line"}}
    return {
        "displayName": f"gb-iris: {name}",
        "notificationChannels": ["email"],
        "conditions": [condition, line],
        **changes,
    }


def test_the_alerts_of_others_are_left_out():
    document = {"alertPolicies": [policy(), {"displayName": "another"}]}
    assert alerts.of_deployment(document) == [policy()]


def test_no_alerts_are_a_failure():
    assert alerts.existing([], DEPLOYMENT).verdict == "FAILED"


def test_alerts_that_are_disabled_are_named():
    finding = alerts.existing([policy(enabled=False), policy("b")], DEPLOYMENT)
    assert (finding.verdict, finding.seen) == (
        "FAILED",
        "disabled: the stream falls behind",
    )


def test_alerts_without_a_channel_notify_nobody():
    finding = alerts.existing([policy(notificationChannels=[])], DEPLOYMENT)
    assert finding.verdict == "not known"
    assert "alert_email" in finding.todo


def test_every_condition_has_a_filter_of_metrics_or_of_logs():
    found = list(alerts.filters([policy("a")]))
    assert found == [("a", "metric", False), ("a", "line", True)]


def test_a_filter_that_a_service_refuses_is_a_failure():
    finding = alerts.accepted({"a": "monitoring: 400 no such metric"}, 2)
    assert finding.verdict == "FAILED"
    assert finding.seen == "a: monitoring: 400 no such metric"


def test_filters_that_are_accepted_are_counted():
    assert alerts.accepted({}, 14).seen.endswith("accept all 14")
