"""BigQuery refuses for a while: no right, over a quota, or not available.

Each refusal is an answer of its own, so that a number of them is what makes the outage,
and not a time.
"""

from http import HTTPStatus
from typing import Any

import grpc
import pytest

from tests.faults.story_fixture import BROKEN, QUICK, Story
from tests.integration.unreliable_appends import refusing
from tests.integration.unreliable_bigquery import Fault, failing

pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore:The return_immediately flag"),
]

# Of each kind: what one or two attempts meet.
TIMES = 3
MESSAGES = 200
REASONS = (
    ("accessDenied", HTTPStatus.FORBIDDEN),
    ("quotaExceeded", HTTPStatus.FORBIDDEN),
    ("rateLimitExceeded", HTTPStatus.FORBIDDEN),
    ("backendError", HTTPStatus.SERVICE_UNAVAILABLE),
)
STATUSES = (
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
)


def refusals(request: str, *, is_of_job: bool = False) -> list[Fault]:
    """Some answers of each reason."""
    return [
        Fault(request, reason, status=status, is_of_job=is_of_job)
        for reason, status in REASONS
        for _ in range(TIMES)
    ]


def outlasted(story: Story, method: str, left: list[Any]) -> None:
    """Drains until all refusals are over, and compares what arrived."""
    drain = story.drain("--every=1s", f"--write_method={method}", setup=QUICK)
    drain.wait_until(lambda: not left and story.ledger()["messages"] >= MESSAGES)
    drain.process.terminate()
    assert drain.ended() == 0, drain.log.read_text()
    assert "rows of bmrs_freq_iris wait" in drain.log.read_text()
    story.check()
    assert story.count("bmrs_freq_iris") == story.count("bmrs_freq_unified")
    assert story.count("iris_dead_letters") == BROKEN


@pytest.mark.promise(
    part="cloud",
    fault="BigQuery refuses all streaming inserts: no right (403), quota (403), 503",
    happens="messages stay in Pub/Sub",
    lost="0",
    doubled="0",
    recovery="the next attempt: every 2 minutes at most",
    sees="`rows of TABLE wait` with BigQuery's answer; alert on the oldest message",
)
def test_streaming_inserts_that_are_refused_wait_in_pubsub(
    bigquery_host: str, story: Story
) -> None:
    with failing(bigquery_host, *refusals("POST .*/insertAll")) as left:
        outlasted(story, "STREAMING_INSERTS", left)


@pytest.mark.promise(
    part="cloud",
    fault="BigQuery refuses load jobs, or ends them with such an error",
    happens="the same",
    lost="0",
    doubled="0",
    recovery="the same",
    sees="the same",
)
@pytest.mark.parametrize("is_of_job", [False, True], ids=["refused", "failed"])
def test_load_jobs_that_are_refused_or_fail_wait_in_pubsub(
    bigquery_host: str, story: Story, *, is_of_job: bool
) -> None:
    request = "PUT .*/upload/.*/jobs" if is_of_job else "POST .*/upload/.*/jobs"
    with failing(bigquery_host, *refusals(request, is_of_job=is_of_job)) as left:
        outlasted(story, "FILE_LOADS", left)


@pytest.mark.promise(
    part="cloud",
    fault="the Storage Write API refuses: no right, quota, not available",
    happens="the same",
    lost="0",
    doubled="0",
    recovery="the same",
    sees="the same",
)
def test_appends_that_are_refused_wait_in_pubsub(
    bigquery_server: dict[str, Any], story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = [status for status in STATUSES for _ in range(TIMES)]
    with refusing(bigquery_server["grpc_port"], *statuses) as (port, left):
        monkeypatch.setenv("BIGQUERY_GRPC_PORT", str(port))
        outlasted(story, "STORAGE_WRITE_API", left)
