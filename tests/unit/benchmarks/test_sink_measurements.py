"""What the comparison of sinks counts, sends and says."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from benchmarks import sink, sink_rows, sink_writes
from benchmarks.sink_proxy import Fault, call_of, counting
from benchmarks.sink_writes import Outcome, Refusal
from pipeline.core.batches import dead_letter_row
from pipeline.core.decoding import DeadLetter
from pipeline.core.reasons import Reason, Stage
from pipeline.registry import load_registry

TABLES = "/bigquery/v2/projects/p/datasets/d/tables"
JOBS = "/bigquery/v2/projects/p/jobs"
UPLOAD = f"/upload{JOBS}?uploadType=resumable&upload_id=1"


@pytest.mark.parametrize(
    ("request_line", "body", "call"),
    [
        (f"POST {TABLES}/t/insertAll?prettyPrint=false", b"{}", "insertAll"),
        (f"GET {TABLES}/t", b"", "tables.get"),
        (f"DELETE {TABLES}/t", b"", "tables.delete"),
        (f"POST {TABLES}", b"{}", "tables.insert"),
        (f"GET {JOBS}/j?location=EU", b"", "jobs.get"),
        (f"GET {JOBS.replace('jobs', 'queries')}/j", b"", "jobs.get"),
        (f"POST {JOBS}", b'{"configuration": {"copy": {', "jobs.insert (copy)"),
        (f"POST {UPLOAD}", b'{"load":{"query": {}}}', "jobs.insert (load)"),
        (f"PUT {UPLOAD}", b"PAR1", "upload"),
        ("PATCH /bigquery/v2/projects/p/datasets/d", b"{}", "PATCH d"),
    ],
)
def test_a_request_is_counted_by_what_it_asks_for(request_line, body, call):
    assert call_of(*request_line.split(), body) == call


def test_files_that_beam_writes_are_objects_of_the_servers_bucket():
    inserted = []
    service = SimpleNamespace(Insert=inserted.append, Get=lambda request: "here")
    jobs = sink_writes.Jobs(service, "/data/bigquery/gcs/bench")
    for load in (SimpleNamespace(sourceUris=["/data/bigquery/gcs/bench/a/b"]), None):
        configuration = SimpleNamespace(load=load)
        jobs.Insert(SimpleNamespace(job=SimpleNamespace(configuration=configuration)))
    load, copy = (request.job.configuration for request in inserted)
    assert load.load.sourceUris == ["gs://bench/a/b"]
    assert copy.load is None
    assert jobs.Get(None) == "here"


class Upstream(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.seen += 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"here")


@pytest.fixture
def upstream():
    with HTTPServer(("127.0.0.1", 0), Upstream) as server:
        server.seen = 0
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(("kind", "done"), [("lost", 1), ("forbidden", 0)])
def test_the_proxy_fails_one_request_and_passes_on_the_next(upstream, kind, done):
    def ask(host):
        client = http.client.HTTPConnection(urlsplit(host).netloc)
        client.request("GET", f"{TABLES}/t")
        answer = client.getresponse()
        return answer.status, answer.read()

    with counting(f"http://127.0.0.1:{upstream.server_port}") as proxy:
        proxy.fault = Fault("tables.get", kind)
        if kind == "lost":
            with pytest.raises(http.client.RemoteDisconnected):
                ask(proxy.host)
        else:
            assert ask(proxy.host)[0] == 403
        assert (upstream.seen, proxy.fault) == (done, None)
        assert ask(proxy.host) == (200, b"here")
        assert proxy.calls == {"tables.get": 2}


def test_all_tables_get_rows_and_each_record_comes_once():
    batches = list(sink_rows.spread(sink.LEAST_MESSAGES))
    assert {batch.dataset for batch in batches} == set(load_registry())
    ids = [record.record_id for batch in batches for record in batch.records]
    assert len(ids) == len(set(ids))


def test_only_the_row_that_is_to_be_refused_has_no_frequency():
    freq, _ = sink_rows.two_batches(refused=3)
    missing = [record.row.get("frequency") is None for record in freq.records]
    assert missing.index(True) == 3
    assert missing.count(True) == 1
    good = sink_rows.two_batches()
    assert [len(batch.records) for batch in good] == [sink_rows.TABLE_ROWS] * 2
    ids = {record.record_id for batch in good for record in batch.records}
    assert len(ids) == 2 * sink_rows.TABLE_ROWS


def test_a_dead_letter_returns_the_record_with_its_position():
    rejected = (Stage.WRITE, Reason.INSERT_REJECTED, "invalid at a")
    letter = DeadLetter(*rejected, 4, b'{"a":"b"}')
    row = dead_letter_row("FREQ", {}, letter, "2026-05-06T00:00:00Z")
    refusal = sink_writes.refusal_of_letter(row)
    assert refusal == Refusal("invalid at a", "record", '{"a":"b"}', 4)


def test_a_failed_row_of_beam_returns_the_row_without_a_position():
    errors = [{"reason": "invalid", "message": "no number", "location": "a"}]
    refusal = sink_writes.refusal_of_failed_row(("p:d.t", {"a": "b"}, errors))
    assert refusal == Refusal("invalid: no number", "row", '{"a":"b"}', None)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome([]), "returns no row"),
        (Outcome([], "no permission"), "fails: no permission"),
        (
            Outcome([Refusal("why", "row", "{}", None)] * 2),
            "returns 2: why The row: {}",
        ),
        (
            Outcome([Refusal("why", "record", "{}", 0)]),
            "returns 1: why The record 0 of its message: {}",
        ),
    ],
)
def test_the_report_says_what_became_of_rows(outcome, said):
    assert sink.returned(outcome) == said


def test_the_most_frequent_request_comes_first():
    calls = {"jobs.get": 2, "insertAll": 89, "a": 2}
    assert sink.words(calls) == "89 insertAll, 2 a, 2 jobs.get"
