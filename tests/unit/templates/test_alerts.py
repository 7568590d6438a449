"""The alerts: each finds what the programs write, and names what to do about it."""

import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge import dead_letters, settlement
from bridge.absence import Absence
from bridge.logs import JsonFormatter, Redactor
from bridge.notices import expiry_notice
from bridge.sharing import SharingDetector
from bridge.span import Span
from pipeline.bigquery.waiting_tables import WaitingTables
from tests.unit.templates.log_filter import matches

pytest.importorskip("hcl2", reason="python-hcl2 is not installed")
from tests.unit.templates.terraform_fixture import FOLDER, arguments, module, plain

ROOT = Path(__file__).parents[3]
ALERTS = module(FOLDER / "modules/alerts")
METRICS = yaml.safe_load((ROOT / "tests/fixtures/terraform/metrics.yaml").read_text())
OPERATIONS = (ROOT / "docs/operations.md").read_text()
NOW = datetime(2026, 5, 6, tzinfo=UTC)


def policies() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, body in ALERTS.resources.items():
        if name.startswith("google_monitoring_alert_policy."):
            yield name.partition(".")[2], arguments(body)


def expanded(text: str) -> str:
    """A text with the locals of the module, and a name for each variable."""
    while found := re.search(r"\$\{local\.(\w+)\}", text):
        local = plain(ALERTS.locals[found[1]])
        text = text.replace(found[0], str(local))
    return re.sub(r"\$\{(var|each\.value)\.\w+\}", "NAME", text).replace('\\"', '"')


def metric_filters() -> Iterator[tuple[str, str]]:
    """The policy and the filter of each condition that reads a metric."""
    for name, body in policies():
        for condition in body["conditions"]:
            for kind in ("condition_absent", "condition_threshold"):
                for one in condition.get(kind, []):
                    yield name, expanded(plain(one["filter"]))


def line_filters() -> dict[str, str]:
    """The filter of each alert on a line in a log, by name."""
    (condition,) = dict(policies())["line"]["conditions"]
    (matched,) = condition["condition_matched_log"]
    found = {}
    for kind, of in (("bridge_lines", "of_bridge"), ("pipeline_lines", "of_pipeline")):
        for name, line in ALERTS.locals[kind].items():
            text = plain(matched["filter"]).replace(
                "${each.value.of}", f"${{local.{of}}}"
            )
            text = text.replace("${each.value.text}", plain(line["text"]))
            found[plain(name)] = expanded(text)
    return found


FILTERS = list(metric_filters())


@pytest.mark.parametrize(("name", "text"), FILTERS, ids=[text for _, text in FILTERS])
def test_a_metric_exists_with_its_resource_and_labels(name: str, text: str) -> None:
    (metric,) = re.findall(r'metric\.type = "([^"]+)"', text)
    (resource,) = re.findall(r'resource\.type = "([^"]+)"', text)
    known = METRICS[metric]
    assert resource == known["resource"], name
    labels = set(re.findall(r"(?:metric|resource)\.labels\.(\w+)", text))
    assert labels <= set(known["labels"])


def test_a_counter_is_added_up_and_a_gauge_is_not() -> None:
    for _, body in policies():
        for condition in body["conditions"]:
            for kind in ("condition_absent", "condition_threshold"):
                for one in condition.get(kind, []):
                    text = expanded(plain(one["filter"]))
                    (metric,) = re.findall(r'metric\.type = "([^"]+)"', text)
                    (how,) = one["aggregations"]
                    is_counter = METRICS[metric]["kind"] == "DELTA"
                    aligner = plain(how["per_series_aligner"])
                    assert aligner == ("ALIGN_DELTA" if is_counter else "ALIGN_MAX")


def as_bridge(message: str, resource: str = "cloud_run_worker_pool") -> dict[str, Any]:
    """An entry of the log for what the bridge writes: a line of JSON."""
    record = logging.LogRecord("bridge", logging.WARNING, "", 0, message, (), None)
    line = json.loads(JsonFormatter(Redactor()).format(record))
    return {"resource": {"type": resource}, "jsonPayload": line}


def table_waits(caplog: pytest.LogCaptureFixture) -> str:
    """What the pipeline writes when a table accepts no rows."""
    WaitingTables().failed("bmrs_freq_iris", "404 not found")
    return caplog.records[-1].getMessage()


def said() -> dict[str, str]:
    """What the bridge writes, by the name of the alert."""
    absence = Absence(Span(NOW - timedelta(days=5), NOW - timedelta(days=3)), {}, NOW)
    return {
        "secret_expires": str(expiry_notice(date(2026, 5, 7), NOW.date())),
        "second_client": SharingDetector().warning(),
        "expired": absence.warning(None),
        "refused": settlement.DEAD_LETTERED,
        "given_up": dead_letters.FOUND,
    }


def test_each_line_of_the_bridge_is_one_alert() -> None:
    filters = line_filters()
    assert said().keys() == filters.keys() - {"table_waits"}
    for name, message in said().items():
        for resource in ("cloud_run_worker_pool", "gce_instance"):
            entry = as_bridge(message, resource)
            found = [one for one, text in filters.items() if matches(text, entry)]
            assert found == [name]


def test_a_secret_that_has_expired_is_the_same_alert() -> None:
    expired = str(expiry_notice(date(2026, 5, 5), NOW.date()))
    assert matches(line_filters()["secret_expires"], as_bridge(expired))


def test_a_line_that_a_vm_keeps_as_text_is_found() -> None:
    entry = as_bridge(said()["expired"])
    text = json.dumps(entry["jsonPayload"])
    as_text = {"resource": {"type": "gce_instance"}, "textPayload": text}
    assert matches(line_filters()["expired"], as_text)


def test_a_table_that_waits_is_an_alert_of_a_job_and_of_a_stream(
    caplog: pytest.LogCaptureFixture,
) -> None:
    message = table_waits(caplog)
    job = {"resource": {"type": "cloud_run_job"}, "textPayload": f"ERROR {message}"}
    stream = {
        "resource": {"type": "dataflow_step"},
        "jsonPayload": {"message": message},
    }
    for entry in (job, stream):
        found = [x for x, text in line_filters().items() if matches(text, entry)]
        assert found == ["table_waits"]


def test_no_other_line_and_no_quotation_of_a_filter_is_an_alert() -> None:
    for text in line_filters().values():
        audit = {
            "resource": {"type": "audited_resource"},
            "textPayload": text,
        }
        assert not matches(text, audit)
        for message in ("last minute", "session opened", "bridge started"):
            assert not matches(text, as_bridge(message))


def sections() -> set[str]:
    titles = re.findall(r"^## (.+)$", OPERATIONS, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", x.lower()).replace(" ", "-") for x in titles}


def advice() -> Iterator[tuple[str, str]]:
    for name, body in policies():
        (documentation,) = body["documentation"]
        yield name, plain(documentation["content"])
    for kind in ("bridge_lines", "pipeline_lines"):
        for name, line in ALERTS.locals[kind].items():
            yield plain(name), plain(line["advice"])


ADVICE = list(advice())


@pytest.mark.parametrize(("name", "text"), ADVICE, ids=[name for name, _ in ADVICE])
def test_an_alert_names_its_section_of_the_page(name: str, text: str) -> None:
    if name == "line":  # each line has its own
        assert text == "${each.value.advice}"
        return
    (anchor,) = re.findall(r"See docs/operations\.md#([\w-]+)\.$", text)
    assert anchor in sections()
