"""What the Makefile's variables become on the command line."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SPAN = {"FROM": "2026-05-06", "TO": "2026-05-07"}
AS_OPTIONS = ["--from", "2026-05-06", "--to", "2026-05-07"]


def make(target: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs a target with a Python that prints its arguments, one a line."""
    given = [f"{name}={text}" for name, text in variables.items()]
    return subprocess.run(
        [
            *("make", "-s", "-o", ".venv/complete", "-o", ".venv/developer"),
            *(target, r"PYTHON=printf '%s\n'", *given),
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({}, []),
        (
            {"IRIS_DATASET": "FREQ", "VIA": "api"},
            ["--iris-dataset", "FREQ", "--via", "api"],
        ),
        ({"IRIS": "FREQ"}, ["--iris-dataset", "FREQ"]),  # the name until release 0.1
        (
            {"MISSING": "1", "AGAIN": "1", "DRY": "1"},
            ["--missing", "--again", "--dry-run"],
        ),
        ({"IRIS_DATASET": "it's $HOME;x"}, ["--iris-dataset", "it's $HOME;x"]),
    ],
)
def test_variables_of_a_backfill_are_its_options(variables, options):
    done = make("backfill", SPAN | variables)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        *("-m", "local", "backfill", *AS_OPTIONS, *options)
    ]


@pytest.mark.parametrize(
    ("variables", "tables"),
    [({}, []), ({"DATASET": "mine"}, ["--dataset", "mine"])],  # left out: the default
)
@pytest.mark.parametrize(
    ("target", "needed", "options"),
    [("backfill", SPAN, AS_OPTIONS), ("replay", {}, [])],
)
def test_with_a_project_it_is_the_cloud(target, needed, options, variables, tables):
    done = make(target, needed | {"PROJECT": "p"} | variables)
    assert done.stdout.splitlines() == [
        *("-m", "bridge", target, "--project", "p", *tables, *options)
    ]


@pytest.mark.parametrize(
    ("target", "variables", "options"),
    [
        ("query", {"SQL": "SELECT '$HOME'"}, ["local", "query"]),
        (
            "query",
            {"SQL_FILE": "a b.sql", "FORMAT": "csv", "OUT": "it's.csv"},
            [
                *("local", "query", "--file", "a b.sql"),
                "--format",
                "csv",
                "--out",
                "it's.csv",
            ],
        ),
        (
            "query",
            {"PROJECT": "p", "DATASET": "d", "MAX_BYTES": "2GB"},
            [
                *("sql", "query", "--project", "p", "--dataset", "d"),
                "--max-bytes",
                "2GB",
            ],
        ),
        ("dashboard", {"PORT": "8051"}, ["local", "dashboard", "--port", "8051"]),
        (
            "dashboard",
            {"PROJECT": "p", "DATASET": "d", "DATA": "a b", "MAX_BYTES": "1GB"},
            [
                *("dashboard", "serve", "--project", "p", "--dataset", "d"),
                *("--data", "a b", "--max-bytes", "1GB"),
            ],
        ),
        ("tables", {"LIKE": "a b"}, ["local", "tables", "a b"]),
        ("tables", {"PROJECT": "p"}, ["sql", "tables", "--project", "p"]),
        ("status", {"FORMAT": "json"}, ["local", "status", "--format", "json"]),
        (
            "status",
            {"PROJECT": "p", "DATASET": "d"},
            ["sql", "status", "--project", "p", "--dataset", "d"],
        ),
        (
            "soak",
            {"HOURS": "2", "SEED": "7", "RATE": "70"},
            ["tests.faults.soak", "--hours", "2", "--seed", "7", "--rate", "70"],
        ),
        (
            "audit",
            {"OPTIONS": "--only secrets"},
            ["cloud", "audit", "--only", "secrets"],
        ),
        ("sbom", {}, ["cloud", "sbom"]),
        ("sql-shell", {}, ["local", "shell"]),
        (
            "sql-shell",
            {"PROJECT": "p"},
            ["sql", "shell", "--project", "p", "--history", ".local/sql-history"],
        ),
    ],
)
def test_variables_of_a_question_are_its_options(target, variables, options):
    done = make(target, variables)
    assert (done.stderr, done.stdout.splitlines()) == ("", ["-m", *options])


@pytest.mark.parametrize("variables", [{}, {"FROM": "2026-05-06"}])
def test_a_backfill_without_a_span_is_refused_in_a_line(variables):
    done = make("backfill", variables)
    assert done.returncode == 2
    said = done.stderr.splitlines()[0]
    assert said == "backfill: name an interval: FROM=2026-05-06 TO=2026-05-07"
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["DRYRUN", "DRY_RUN", "SAMPLE"])
def test_a_mistyped_variable_is_refused_in_a_line(name):
    done = make("replay", {name: "1"})
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no variable {name}: `make help` lists them" in done.stderr


@pytest.mark.parametrize("name", ["PUBSUB_TOPIC", "IRIS_SETTINGS_FILE", "HEALTH_PORT"])
def test_a_setting_of_the_programs_is_no_mistyped_variable(name):
    assert make("replay", {name: "1"}).stdout.splitlines() == ["-m", "local", "replay"]


def test_a_drain_is_here_or_in_the_cloud():
    assert make("drain", {"EVERY": "60s"}).stdout.splitlines() == [
        *("-m", "local", "drain", "--every", "60s")
    ]
    done = make("drain", {"PROJECT": "p", "SUBSCRIPTION": "iris"})
    assert done.stdout.splitlines() == [
        *("-m", "pipeline", "--drain", "--project", "p"),
        *("--subscription", "projects/p/subscriptions/iris"),
    ]


@pytest.mark.parametrize("target", ["images", "template", "launch"])
@pytest.mark.parametrize("variables", [{}, {"PROJECT": "p"}, {"REGION": "r"}])
def test_a_place_that_is_left_out_is_asked_for_by_variables(target, variables):
    done = make(target, variables)
    assert (done.returncode, done.stdout) == (2, "")
    said = done.stderr.splitlines()[0]
    assert said == f"{target}: say where: PROJECT=id REGION=europe-west2"


def test_a_smoke_test_needs_a_project():
    done = make("smoke", {})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("smoke: say where: PROJECT=id")


@pytest.mark.parametrize(
    ("variables", "lacking"),
    [({"PROJECT": "p"}, "SUBSCRIPTION="), ({"SUBSCRIPTION": "s"}, "PROJECT=")],
)
def test_a_drain_in_the_cloud_needs_project_and_subscription(variables, lacking):
    done = make("drain", variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert lacking in done.stderr.splitlines()[0]


@pytest.mark.parametrize("target", ["check", "refresh", "drain", "replay", "launch"])
def test_a_project_that_came_to_nothing_is_not_this_machine(target):
    done = make(target, {"PROJECT": ""})
    assert (done.returncode, done.stdout) == (2, "")
    assert "PROJECT is empty" in done.stderr


@pytest.mark.parametrize(
    ("target", "variables"),
    [
        ("check", {}),
        ("check", {"PROJECT": "p"}),
        ("drain", {}),
        ("replay", {}),
        ("backfill", SPAN),
        ("launch", {"PROJECT": "p", "REGION": "r"}),
        ("smoke", {"PROJECT": "p"}),
    ],
)
def test_what_no_variable_is_for_goes_into_options(target, variables):
    done = make(target, variables | {"OPTIONS": "--one --two=3"})
    assert done.stdout.splitlines()[-2:] == ["--one", "--two=3"]
