"""How long a request is repeated, and what ends it."""

import pytest
import requests
from google.api_core.exceptions import BadRequest, Forbidden, ServiceUnavailable

from pipeline.bigquery import patience
from pipeline.bigquery.patience import TableWaitsError, until_answered


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(patience, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(patience, "MAX_PAUSE_SECONDS", 0.02)


def failing(error, times):
    """A request that fails so many times, and is then answered."""
    left = [error] * times

    def ask():
        if left:
            raise left.pop()
        return "answer"

    return ask


@pytest.mark.parametrize(
    "error",
    [Forbidden("no"), ServiceUnavailable("later"), requests.Timeout("slow")],
)
def test_after_its_limit_a_table_waits_with_the_reason(error):
    with pytest.raises(TableWaitsError, match=r"no|later|slow"):
        until_answered(failing(error, 1_000), "rows", limit_seconds=0.05)


def test_without_a_connection_there_is_no_limit():
    """No other table would be better off, and rows are written when it is back."""
    ask = failing(requests.ConnectionError("refused"), 20)
    assert until_answered(ask, "rows", limit_seconds=0.05) == "answer"


def test_by_default_a_table_is_waited_for():
    assert until_answered(failing(Forbidden("no"), 20), "rows") == "answer"


def test_a_refusal_is_not_repeated():
    with pytest.raises(BadRequest):
        until_answered(failing(BadRequest("no such field"), 1), "rows")
