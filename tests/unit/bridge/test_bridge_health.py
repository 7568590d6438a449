"""Health, metrics and notices: what the bridge says of itself."""

from datetime import UTC, date, datetime

import pytest

from bridge.health import (
    MAX_LOST_SECONDS,
    MAX_TURN_SECONDS,
    SHUTDOWN_SECONDS,
    Health,
)
from bridge.logs import Redactor
from bridge.metrics import MAX_DATASETS, Metrics
from bridge.notices import expiry_notice
from bridge.run import CANCEL_SECONDS, STOP_SECONDS


def test_without_a_session_it_is_not_healthy() -> None:
    health = Health(Redactor())
    health.turn()
    assert "session" in str(health.problem())


def test_without_a_session_it_says_what_to_do() -> None:
    health = Health(Redactor(), advice="IRIS_CLIENT_SECRET has expired")
    assert health.report()["advice"] == "IRIS_CLIENT_SECRET has expired"
    health.session_open = True
    assert health.report()["advice"] is None


def test_with_a_session_and_a_turning_loop_it_is_healthy() -> None:
    now = 0.0
    health = Health(Redactor(), clock=lambda: now, session_open=True)
    assert health.problem()
    health.turn()
    assert health.problem() is None
    now = MAX_TURN_SECONDS + 1
    assert "not moved" in str(health.problem())


def test_the_report_tells_times_errors_and_expiry_without_secrets() -> None:
    health = Health(Redactor(["secret-value"]), date(2027, 10, 30))
    health.last_message = datetime(2026, 5, 6, 2, 31, tzinfo=UTC)
    health.failed(ValueError("bad secret-value"))
    report = health.report()
    assert report["status"] == "unhealthy"
    assert report["last_message"] == "2026-05-06T02:31:00.000Z"
    assert report["last_error"] == "ValueError: bad ***"
    assert report["last_error_time"].endswith("Z")
    assert report["secret_expires"] == "2027-10-30"


def test_datasets_have_counters_of_their_own_up_to_a_bound() -> None:
    metrics = Metrics()
    for number in range(MAX_DATASETS + 50):
        metrics.add_received(f"D{number}")
    metrics.add_received("D0")
    metrics.add_received("a name of\nno dataset")
    text = metrics.exposition().decode()
    assert text.count("iris_bridge_received_total{") == MAX_DATASETS + 1
    assert 'received_total{dataset="D0"} 2.0' in text
    assert 'received_total{dataset="other"} 51.0' in text
    assert metrics.totals["received"] == MAX_DATASETS + 52


def test_totals_and_counters_agree() -> None:
    metrics = Metrics()
    metrics.add("published", 3)
    assert metrics.totals["published"] == 3
    assert "iris_bridge_published_total 3.0" in metrics.exposition().decode()


def test_the_expiry_is_a_time_in_seconds() -> None:
    metrics = Metrics()
    metrics.set_secret_expiry(date(1970, 1, 3))
    text = metrics.exposition().decode()
    assert "iris_bridge_secret_expires_timestamp_seconds 172800.0" in text


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2027, 9, 29), None),
        (date(2027, 9, 30), "in 30 days"),
        (date(2027, 10, 30), "in 0 days"),
        (date(2027, 10, 31), "expired on 2027-10-30"),
    ],
)
def test_the_secret_is_announced_from_30_days_before(
    today: date, expected: str | None
) -> None:
    notice = expiry_notice(date(2027, 10, 30), today)
    assert notice is None if expected is None else expected in str(notice)


def test_locks_that_are_lost_without_a_settlement_are_not_healthy() -> None:
    now = 0.0
    health = Health(Redactor(), clock=lambda: now, session_open=True)
    health.lost()
    now = MAX_LOST_SECONDS + 1
    health.lost()
    health.turn()
    assert "none is completed" in str(health.problem())
    health.settled()
    assert health.problem() is None


def test_one_batch_of_lost_locks_is_healthy_however_long_the_queue_is_empty() -> None:
    now = 0.0
    health = Health(Redactor(), clock=lambda: now, session_open=True)
    health.lost()
    now = 10 * MAX_LOST_SECONDS
    health.turn()
    assert health.problem() is None


def test_it_ends_within_the_ten_seconds_that_cloud_run_waits() -> None:
    assert STOP_SECONDS + CANCEL_SECONDS + SHUTDOWN_SECONDS <= 8
