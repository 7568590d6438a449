"""The command line and the report of the smoke test."""

import argparse
import json

import pytest

from cloud.smoke import command, report
from cloud.smoke.findings import failed, ok, unknown
from command.text import listed

FINDINGS = [
    ok("topic", "it exists"),
    failed("rows", "0 of 7 after 900 s", "gcloud run jobs execute iris-drain"),
    unknown("permissions", "local servers have no IAM"),
]


def test_the_table_says_what_to_do(capsys):
    report.print_table(FINDINGS)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[2].split() == ["FAILED", "rows", "0", "of", "7", "after", "900", "s"]
    assert lines[3].strip() == "-> gcloud run jobs execute iris-drain"
    assert lines[-1] == "1 ok, 1 FAILED, 1 not known"


def test_what_moves_a_cursor_is_made_visible(capsys):
    report.print_table([ok("topic", "a\x1b[2Jb")])
    assert "\x1b" not in capsys.readouterr().out


def test_the_document_has_the_same():
    document = json.loads(json.dumps(report.as_json(FINDINGS, {"marker": "m"})))
    assert document["status"] == "FAILED"
    assert document["marker"] == "m"
    assert document["checks"][2] == {
        "name": "permissions",
        "verdict": "not known",
        "seen": "local servers have no IAM",
        "todo": "",
    }
    assert report.as_json(FINDINGS[::2], {})["status"] == "ok"


def test_many_names_are_cut():
    assert listed("abcde") == "a, b, c and 2 more"


def options(*given):
    parser = argparse.ArgumentParser(exit_on_error=False)
    command.configure(parser)
    return parser.parse_args(["--project", "my-project", *given])


def test_names_in_production_are_the_defaults():
    usual = options()
    assert (usual.topic, usual.subscription, usual.dataset, usual.timeout) == (
        "iris-messages",
        "iris-messages-pipeline",
        "uk_energy_prod",
        900,
    )


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--topic", "projects/p/topics/t"),
        ("--subscription", "s s"),
        ("--region", "europe"),
        ("--region", "europe-west2-a"),
        ("--timeout", "0s"),
        ("--timeout", "soon"),
        ("--dataset", "a.b"),
    ],
)
def test_a_wrong_value_is_refused(option, text):
    with pytest.raises(argparse.ArgumentError):
        options(option, text)
