"""The drain that the smoke test runs itself, and the wait for what it writes."""

import sys

import pytest

from cloud.deployment import Deployment
from cloud.smoke import trial
from cloud.smoke.drain import LocalDrain


@pytest.fixture
def standing_in(tmp_path, monkeypatch):
    """Has a shell script stand in for `python -m pipeline`."""

    def stand_in(script):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))
        return LocalDrain(Deployment("my-project"))

    return stand_in


def ended(drain):
    drain.process.wait(10)
    assert drain.has_ended
    return drain.failure


def test_a_drain_that_fails_says_why(standing_in):
    with standing_in("echo reading; echo it cannot be read >&2; exit 2") as drain:
        assert ended(drain) == "it cannot be read"


def test_a_drain_that_has_read_everything(standing_in):
    with standing_in("echo done") as drain:
        assert ended(drain) is None


def test_a_drain_gets_the_subscription_and_the_tables(standing_in):
    with standing_in('echo "$@"; exit 1') as drain:
        assert ended(drain) == (
            "-m pipeline --drain "
            "--subscription=projects/my-project/subscriptions/iris-messages-pipeline "
            "--project=my-project --dataset=uk_energy_prod"
        )


def test_a_drain_that_goes_on_is_stopped(standing_in):
    with standing_in("exec sleep 60") as drain:
        assert not drain.has_ended
    assert drain.process.returncode == -15


def test_the_last_look_comes_after_the_end(monkeypatch):
    """What a drain wrote before its end is seen; then the wait is over."""
    monkeypatch.setattr(trial, "POLL_SECONDS", 0)
    looks, ends = iter(range(100)), iter([False, False, True])
    found = trial.wait_until(
        lambda: next(looks), lambda seen: seen == 50, 60, lambda: next(ends)
    )
    assert found == 2
