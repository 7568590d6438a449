"""The plan of a drain, and a stop that comes while it is made."""

import os
import signal

import pytest

from pipeline import drain
from pipeline.away import UnreachableError
from pipeline.options import parse

OPTIONS = ["--drain", "--subscription=projects/p/subscriptions/s", "--project=p"]
LIMITS = drain.Limits(every_seconds=1.0)


@pytest.fixture
def plans(monkeypatch):
    """What each attempt does, in turn; the last one gives a plan."""
    steps = []

    def plan_of(_options, _folder):
        while steps:
            steps.pop(0)()
        return "a plan"

    monkeypatch.setattr(drain, "plan_of", plan_of)
    return steps


def made():
    return drain.plan_when_reachable(parse(OPTIONS), "", LIMITS)


def terminated():
    os.kill(os.getpid(), signal.SIGTERM)


def unreachable():
    raise UnreachableError("BigQuery does not answer")


def test_a_plan_is_made_when_bigquery_answers(plans, monkeypatch):
    monkeypatch.setattr(drain, "FIRST_PAUSE_SECONDS", 0.0)
    plans += [unreachable]
    assert made() == "a plan"


@pytest.mark.parametrize("then", [[], [unreachable]])
def test_a_stop_while_the_plan_is_made_is_not_forgotten(plans, then):
    plans += [terminated, *then]
    assert made() is None
