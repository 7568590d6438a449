"""What a process counts, as Prometheus reads it."""

import time
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from command.exposition import Metrics, serve


@pytest.fixture
def metrics():
    return Metrics(
        "iris_part_", {"rounds": "Rounds so far"}, {"waiting": "What waits now"}
    )


def families(text):
    return {one.name: one for one in text_string_to_metric_families(text.decode())}


def test_a_counter_and_a_gauge_are_read_by_the_parser_of_prometheus(metrics):
    metrics.add("rounds")
    metrics.add("rounds", 2)
    metrics.set("waiting", 1.5)
    found = families(metrics.exposition())
    counter, gauge = found["iris_part_rounds"], found["iris_part_waiting"]
    assert (counter.type, counter.documentation) == ("counter", "Rounds so far")
    assert [(s.name, s.value) for s in counter.samples] == [
        ("iris_part_rounds_total", 3.0)
    ]
    assert (gauge.type, gauge.samples[0].value) == ("gauge", 1.5)


def test_what_is_not_counted_yet_is_zero(metrics):
    assert families(metrics.exposition())["iris_part_rounds"].samples[0].value == 0


def test_the_process_is_described_under_the_usual_names(metrics):
    found = families(metrics.exposition())
    assert found["process_open_fds"].samples[0].value > 2
    assert found["process_resident_memory_bytes"].samples[0].value > 1e6
    assert found["process_start_time_seconds"].samples[0].value < time.time()


def test_a_name_that_was_not_declared_is_a_mistake(metrics):
    with pytest.raises(KeyError):
        metrics.add("nothing")


def get(port, path="/metrics", **headers):
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=given)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_a_server_answers_a_scrape(metrics):
    status, body = get(serve(metrics, "127.0.0.1", 0))
    assert status == 200
    assert "iris_part_waiting" in families(body)


def test_a_server_has_nothing_else_and_nothing_for_pages_of_other_sites(metrics):
    port = serve(metrics, "127.0.0.1", 0)
    assert get(port, "/")[0] == 404
    assert get(port, Origin="http://evil.example")[0] == 403
