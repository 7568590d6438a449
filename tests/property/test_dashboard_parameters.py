"""Any address of the dashboard: no error of the server, and no SQL from a text."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from command.tables_path import TablesPath
from dashboard.pages import PAGES, TILES
from dashboard.scripts import Scripts
from dashboard.selection import FIELDS
from dashboard.server import application
from dashboard.viewing import Viewing
from dashboard.warehouse import Warehouse
from pipeline.registry import load_registry
from sql.tables import dataset_table
from tests.property.examples import examples

HERE = "http://127.0.0.1:8050"
ANSWERED = {200, 304, 307, 400, 404, 405, 503}
VALID = {
    "dataset": ["FREQ", "pn", "FUELINST"],
    "at": ["2026-05-06T11:00Z", "2026-05-06T11:00+01:00"],
    "day": ["2026-05-06", "20260506"],
    "first": ["2026-05-05"],
    "second": ["2026-05-06"],
    "unit": ["T_PILLB-1", "2__VCHRG001"],
    "first_period": ["25", "50"],
    "second_period": ["1"],
    "batteries": ["0", "1"],
}
HOSTILE = [
    *("0001-01-01", "9999-12-31", "0001-01-01T00:00Z", "9999-12-31T23:59:59Z"),
    *("0001-01-01T00:00+23:59", "9999-12-31T23:59-23:59", "2026-W01-1"),
    *("'; DROP TABLE bmrs_freq_iris; --", "`x` UNION ALL SELECT 1", '" OR 1=1'),
    *("../../etc/passwd", "/etc/passwd", "..%2f..%2f", "file:///etc/passwd"),
    *("{{ 7 * 7 }}", "{% include 'x' %}", "${x}", "%s%s%n", "@nobody", "\x00"),
    *("0" * 5_000, "9" * 5_000, "0025", "0050999", "-1", "1e9", "NaN", "٣"),
    *("<script>alert(1)</script>", "\r\nSet-Cookie: a=b", "\ud7ff", "x" * 10_000),
]
# The product's own statements hold no such sign: a text with it came from the address.
MARKED = st.text(max_size=30).map("{}\N{CURRENCY SIGN}".format)
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=3), MARKED)
PARTS = st.one_of(
    st.sampled_from([*PAGES, *TILES]),
    st.sampled_from(HOSTILE[:20]),
    st.text(max_size=9),
)
PATHS = st.one_of(
    st.sampled_from([f"/{name}" for name in PAGES]),
    st.sampled_from([f"/tiles/{name}" for name in TILES]),
    st.sampled_from([f"/pages/{name}/state" for name in PAGES]),
    st.sampled_from(["/", "/status", "/rows.csv", "/rows.parquet"]),
    st.builds("/{}".format, PARTS),
    st.builds("/tiles/{}".format, PARTS),
    st.builds("/pages/{}/state".format, PARTS),
    st.builds("/rows.{}".format, PARTS),
    st.builds("/scripts/{}".format, PARTS),
    st.builds("/static/{}".format, PARTS),
)
PAIRS = st.one_of(
    st.sampled_from([(name, text) for name, texts in VALID.items() for text in texts]),
    st.tuples(st.sampled_from(list(FIELDS)), TEXTS),
    st.tuples(st.text(max_size=8), TEXTS),
)


class Refusing(BaseHTTPRequestHandler):
    """A BigQuery that knows the views, notes what it is asked, and answers no query."""

    def do_GET(self) -> None:
        self._answer(*self.server.asked_for(self.path))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(*self.server.asked(self.path, json.loads(body)))

    def _answer(self, code: int, content: dict) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class Listening(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Refusing)
        self.statements: list[str] = []
        self.paths: list[str] = []

    def asked_for(self, path: str) -> tuple[int, dict]:
        self.paths.append(path)
        view = path.partition("?")[0].rpartition("/")[2]
        for dataset in load_registry().values():
            if view == f"{dataset.stem}_latest":
                return 200, _view(view, dataset)
        return _refusal(404, "notFound")

    def asked(self, path: str, body: dict) -> tuple[int, dict]:
        self.paths.append(path)
        self.statements.append(body.get("query", ""))
        return _refusal(400, "invalidQuery")


def _view(view: str, dataset: object) -> dict:
    columns = dataset_table(dataset).columns
    return {
        "tableReference": {"projectId": "p", "datasetId": "d", "tableId": view},
        "type": "VIEW",
        "schema": {"fields": [{"name": c.name, "type": c.type} for c in columns]},
    }


def _refusal(code: int, reason: str) -> tuple[int, dict]:
    error = {"reason": reason, "message": "no"}
    return code, {"error": {"code": code, "message": "no", "errors": [error]}}


@pytest.fixture(scope="module")
def server() -> Iterator[Listening]:
    server = Listening()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def visitor(
    server: Listening, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    client = bigquery.Client(
        project="p",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": f"http://127.0.0.1:{server.server_port}"},
    )
    warehouse = Warehouse(client, TablesPath("p", "d"), is_local=True)
    scripts = Scripts(tmp_path_factory.mktemp("scripts"))
    app = application(Viewing(warehouse, lambda: 0.0), scripts, ["127.0.0.1"])
    with TestClient(
        app, base_url=HERE, raise_server_exceptions=False, follow_redirects=False
    ) as visitor:
        yield visitor


@settings(max_examples=examples(300))
@example("/rows.csv", [("day", "9999-12-31")])
@example("/rows.csv", [("dataset", "PN"), ("day", "0001-01-01")])
@example("/tiles/position", [("unit", "x"), ("day", "9999-12-31")])
@example("/tiles/rows", [("dataset", "PN"), ("unit", "@nobody")])
@example("/tiles/frequency", [("at", "0001-01-01T00:00Z")])
@example("/balancing", [("day", "0001-01-01"), ("unit", "<script>alert(1)</script>")])
@given(PATHS, st.lists(PAIRS, max_size=6))
def test_any_address_is_answered_and_no_text_of_it_is_in_a_statement_or_path(
    server: Listening, visitor: TestClient, path: str, pairs: list[tuple[str, str]]
) -> None:
    server.statements.clear()
    server.paths.clear()
    answer = visitor.get(quote(path, safe="/%"), params=pairs)
    assert answer.status_code in ANSWERED, answer.text
    known = {name.lower() for name in load_registry()}
    for text in {text for _, text in pairs if len(text) > 3}:
        if text.lower() in known:
            continue  # its view is named by the registry
        assert not [one for one in server.statements if text in one]
        assert not [one for one in server.paths if text in one]
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert "<script>alert" not in answer.text


@pytest.mark.parametrize("name", TILES)
def test_a_request_of_a_tile_sends_few_queries(
    server: Listening, visitor: TestClient, name: str
) -> None:
    """One of the tile and one of the pulse; some tiles ask two or three."""
    server.statements.clear()
    assert visitor.get(f"/tiles/{name}?unit=few&day=2026-05-07").status_code == 200
    assert len(server.statements) <= 4


def test_no_file_is_left_by_downloads_that_fail(
    visitor: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert visitor.get("/rows.csv?dataset=FREQ").status_code == 503
    assert list(tmp_path.iterdir()) == []
