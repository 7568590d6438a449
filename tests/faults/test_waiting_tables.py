"""One table that BigQuery accepts no rows for costs only itself, in a drain."""

import json

import pytest

from pipeline import drain, subscription
from pipeline.bigquery import waiting_tables
from pipeline.bigquery.waiting_tables import WAITING
from pipeline.command import main
from pipeline.steps import dedup
from pipeline.steps.ledger import COUNTS
from pipeline.steps.set_aside import ROUND
from sql.apply import apply_tables
from sql.tables import all_tables
from tests.integration.bigquery_fixture import own_dataset
from tests.integration.history_fixture import registry_of
from tests.integration.pubsub_fixture import Clients
from tests.integration.unreliable_bigquery import Fault, failing

pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore:The return_immediately flag"),
]

PROJECT = "gb-iris"
COUNT = 20


def refused(table):
    """Every insert into a table is answered with 403."""
    return Fault(f"POST .*/tables/{table}/insertAll", "accessDenied", lasts=True)


def refused_load(table):
    """Every load job into a table is answered with 403."""
    return Fault("POST .*/jobs", "accessDenied", lasts=True, body=f'"{table}"')


REFUSED = {"STREAMING_INSERTS": refused, "FILE_LOADS": refused_load}
BOTH_METHODS = pytest.mark.parametrize("method", list(REFUSED))


@pytest.fixture
def tables(client, request):
    """A dataset with the tables of FREQ and FUELINST, and those for all datasets."""
    name = own_dataset(client, request)
    registry = registry_of("FREQ", "FUELINST")
    apply_tables(client, name, list(all_tables(registry)), "EU")
    return name


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Waits of a drain in a second where they take half a minute."""
    monkeypatch.setattr(subscription, "EMPTY_SECONDS", 1.0)
    monkeypatch.setattr(drain, "MIN_LEFT_SECONDS", 2.0)
    monkeypatch.setattr("pipeline.plans.BRIEF_SECONDS", 0.6)
    forget()
    yield
    forget()


def forget():
    """Makes this process as new as that of the next drain."""
    WAITING.clear()
    ROUND.clear()
    ROUND.take_ledger()
    dedup.forget()


class Feed:
    """A subscription with messages of two datasets, and drains of it.

    Every other message came without a subject: its record names its dataset.
    """

    def __init__(self, pubsub, clients, tables):
        self.tables = tables
        topic = clients.topic()
        self.name = clients.subscription(topic)
        for number in range(COUNT):
            self.publish(clients, topic, "FREQ", freq(number), number)
            self.publish(clients, topic, "FUELINST", fuelinst(number), number)

    def publish(self, clients, topic, dataset, record, number):
        body = json.dumps(json.dumps([record])).encode()
        subject = "unknown" if number % 2 else dataset
        attributes = {"dataset": subject, "message_id": f"{dataset}_{number}.json"}
        clients.publisher.publish(topic, body, **attributes).result(timeout=60)

    def drain(self, *options):
        return main(
            [
                *("--drain", f"--subscription={self.name}", f"--project={PROJECT}"),
                *(f"--dataset={self.tables}", *options),
            ]
        )


def freq(number):
    moment = f"2026-05-08T00:00:{number:02}Z"
    frequency = "fifty" if number == 0 else 50.0  # one of them is a dead letter
    return {"dataset": "FREQ", "measurementTime": moment, "frequency": frequency}


def fuelinst(number):
    return {
        "dataset": "FUELINST",
        "publishTime": f"2026-05-08T00:{number:02}:00Z",
        "startTime": f"2026-05-08T00:{number:02}:00Z",
        "settlementDate": "2026-05-08",
        "settlementPeriod": 3,
        "fuelType": "CCGT",
        "generation": number,
    }


@pytest.fixture
def feed(pubsub, tables, monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.host)
    with Clients(pubsub.host, monkeypatch) as clients:
        yield Feed(pubsub, clients, tables)


def stored(client, tables, name):
    column = "record_id" if name.startswith("bmrs") else "dead_letter_id AS record_id"
    query = f"SELECT {column} FROM {tables}.{name}"
    return [row.record_id for row in client.query(query).result()]


def ledger(client, tables):
    sums = ", ".join(f"SUM(`{name}`) AS `{name}`" for name in COUNTS)
    [row] = client.query(f"SELECT {sums} FROM {tables}.iris_ledger").result()
    return {name: row[name] or 0 for name in COUNTS}


@pytest.mark.promise(
    part="pipeline",
    fault="one table accepts no rows",
    happens="other tables go on, messages of this one stay in Pub/Sub",
    lost="0",
    doubled="0",
    recovery="the next attempt: every 2 minutes at most",
    sees="`rows of TABLE wait, other tables go on`",
)
def test_other_tables_go_on_and_the_messages_of_the_bad_one_wait_in_pubsub(
    bigquery_host, client, tables, feed, caplog
):
    with failing(bigquery_host, refused("bmrs_freq_iris")) as faults:
        assert feed.drain() == 1
        assert len(stored(client, tables, "bmrs_fuelinst_iris")) == COUNT
        assert stored(client, tables, "bmrs_freq_iris") == []
        counts = ledger(client, tables)
        assert (counts["records"], counts["rows"]) == (COUNT, COUNT)
        named = [text for text in caplog.messages if "bmrs_freq_iris wait" in text]
        assert len([text for text in named if "python -m sql apply" in text]) == 1
        faults.clear()
        forget()
        assert feed.drain() == 0
    freq_rows = stored(client, tables, "bmrs_freq_iris")
    assert len(set(freq_rows)) == len(freq_rows) == COUNT - 1
    assert len(stored(client, tables, "bmrs_fuelinst_iris")) == COUNT
    counts = ledger(client, tables)
    assert counts["messages"] == counts["records"] == 2 * COUNT
    assert (counts["rows"], counts["dead_letters"]) == (2 * COUNT - 1, 1)
    assert counts["duplicates"] == counts["unmapped"] == 0


@pytest.mark.promise(
    part="pipeline",
    fault="the same, with load jobs",
    happens="the same",
    lost="0",
    doubled="0",
    recovery="the next drain",
    sees="the same",
)
def test_load_jobs_of_a_drain_leave_the_messages_of_a_bad_table_in_pubsub(
    bigquery_host, client, tables, feed
):
    loads = "--write_method=FILE_LOADS"
    with failing(bigquery_host, refused_load("bmrs_freq_iris")) as faults:
        assert feed.drain(loads) == 1
        assert len(stored(client, tables, "bmrs_fuelinst_iris")) == COUNT
        counts = ledger(client, tables)
        assert (counts["records"], counts["rows"]) == (COUNT, COUNT)
        faults.clear()
        forget()
        assert feed.drain(loads) == 0
    freq_rows = stored(client, tables, "bmrs_freq_iris")
    assert len(set(freq_rows)) == len(freq_rows) == COUNT - 1
    counts = ledger(client, tables)
    assert counts["records"] == 2 * COUNT
    assert (counts["rows"], counts["dead_letters"]) == (2 * COUNT - 1, 1)


@BOTH_METHODS
def test_a_drain_that_goes_on_writes_them_when_the_table_accepts_rows_again(
    bigquery_host, client, tables, feed, method
):
    fault = REFUSED[method]("bmrs_freq_iris")._replace(lasts=False)
    with failing(bigquery_host, *[fault] * 4):
        options = (f"--write_method={method}", "--every=1s", "--max_seconds=20")
        assert feed.drain(*options) == 0
    freq_rows = stored(client, tables, "bmrs_freq_iris")
    assert len(set(freq_rows)) == len(freq_rows) == COUNT - 1
    counts = ledger(client, tables)
    assert counts["messages"] == 2 * COUNT
    assert (counts["rows"], counts["dead_letters"]) == (2 * COUNT - 1, 1)


@pytest.mark.promise(
    part="pipeline",
    fault="one table accepts no rows for an hour",
    happens="its rows become dead letters",
    lost="0: `bridge replay` publishes them again",
    doubled="0",
    recovery="`bridge replay`",
    sees="`TABLE_UNAVAILABLE` in `iris_dead_letters`",
)
@BOTH_METHODS
def test_after_the_patience_they_are_dead_letters_with_the_reason(
    bigquery_host, client, tables, feed, monkeypatch, method
):
    monkeypatch.setattr(waiting_tables, "PATIENCE_SECONDS", 3)
    with failing(bigquery_host, REFUSED[method]("bmrs_freq_iris")):
        feed.drain(f"--write_method={method}", "--every=1s", "--max_seconds=20")
    query = f"SELECT reason, error FROM {tables}.iris_dead_letters"
    letters = [(row.reason, row.error) for row in client.query(query).result()]
    reasons = [reason for reason, _ in letters]
    assert reasons.count("TABLE_UNAVAILABLE") == COUNT - 1
    assert all("403" in error for why, error in letters if why == "TABLE_UNAVAILABLE")
    counts = ledger(client, tables)
    assert (counts["rows"], counts["dead_letters"]) == (COUNT, COUNT)
    assert counts["records"] == 2 * COUNT


@pytest.mark.promise(
    part="pipeline",
    fault="`iris_dead_letters` or `iris_ledger` accepts no rows",
    happens="all other rows go on; messages of the dead letters stay in Pub/Sub",
    lost="0",
    doubled="0",
    recovery="every 2 minutes at most",
    sees="`rows of TABLE wait, other tables go on`",
)
@pytest.mark.parametrize("table", ["iris_dead_letters", "iris_ledger"])
def test_no_refusal_of_our_own_tables_makes_a_row_be_written_twice(
    bigquery_host, client, tables, feed, table
):
    with failing(bigquery_host, refused(table)._replace(lasts=True)) as faults:
        feed.drain("--every=1s", "--max_seconds=6")
        faults.clear()
        feed.drain("--every=1s", "--max_seconds=12")
    for name in ("bmrs_freq_iris", "bmrs_fuelinst_iris"):
        rows = stored(client, tables, name)
        assert len(set(rows)) == len(rows), name
    assert len(stored(client, tables, "bmrs_fuelinst_iris")) == COUNT
    assert len(stored(client, tables, "bmrs_freq_iris")) == COUNT - 1
    assert len(stored(client, tables, "iris_dead_letters")) == 1
    counts = ledger(client, tables)
    assert counts["records"] == sum(
        counts[name] for name in ("rows", "duplicates", "dead_letters", "unmapped")
    )


def test_a_drain_does_not_start_where_a_column_is_missing(client, tables, feed, capsys):
    client.query(f"ALTER TABLE {tables}.bmrs_freq_iris DROP COLUMN frequency").result()
    assert feed.drain() == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if "python -m" in x]
    assert "columns are missing" in line
    assert "bmrs_freq_iris.frequency" in line
    assert f"python -m sql apply --project {PROJECT} --dataset {tables}" in line


@pytest.mark.promise(
    part="cloud",
    fault="the account has lost the right to see or to write one table (403)",
    happens="all other tables go on",
    lost="0",
    doubled="0",
    recovery="the next drain with the right",
    sees="`not checked: TABLE`, `rows of TABLE wait`, exit code 1",
)
def test_a_table_that_may_not_be_read_does_not_stop_the_others(
    bigquery_host, client, tables, feed, caplog
):
    fault = Fault("/tables/bmrs_freq_iris", "accessDenied", lasts=True)
    with failing(bigquery_host, fault) as faults:
        assert feed.drain() == 1
        assert len(stored(client, tables, "bmrs_fuelinst_iris")) == COUNT
        assert any("not checked: bmrs_freq_iris" in text for text in caplog.messages)
        faults.clear()
        forget()
        assert feed.drain() == 0
    freq_rows = stored(client, tables, "bmrs_freq_iris")
    assert len(set(freq_rows)) == len(freq_rows) == COUNT - 1
    counts = ledger(client, tables)
    assert counts["messages"] == counts["records"] == 2 * COUNT
    assert (counts["rows"], counts["dead_letters"]) == (2 * COUNT - 1, 1)


def test_a_drain_names_missing_tables_and_works_on_the_others(
    client, tables, feed, caplog
):
    client.query(f"DROP TABLE {tables}.bmrs_freq_iris").result()
    assert feed.drain() == 1
    assert len(stored(client, tables, "bmrs_fuelinst_iris")) == COUNT
    assert any("tables are missing" in text for text in caplog.messages)
    [waits] = [text for text in caplog.messages if "bmrs_freq_iris wait" in text]
    assert "python -m sql apply" in waits


@pytest.mark.promise(
    part="cloud",
    fault="the ledger accepts no rows when a scheduled drain ends",
    happens="it tries for a minute, or until its `--max_seconds`",
    lost="0",
    doubled="0",
    recovery="within that minute",
    sees="`rows of iris_ledger wait`, then `are written again`",
)
def test_a_drain_writes_the_ledger_when_it_is_accepted_again_before_it_ends(
    bigquery_host, client, tables, feed, caplog
):
    fault = refused("iris_ledger")._replace(lasts=False)
    with failing(bigquery_host, *[fault] * 4) as faults:
        assert feed.drain() == 0
        assert faults == []
    counts = ledger(client, tables)
    assert counts["records"] == 2 * COUNT
    assert (counts["rows"], counts["dead_letters"]) == (2 * COUNT - 1, 1)
    assert "could not be written" not in caplog.text


@pytest.mark.promise(
    part="cloud",
    fault="the ledger accepts no rows for longer",
    happens="the drain puts its rows of the ledger into its log; all other rows go on",
    lost="0 records; `iris_ledger` lacks their counts until the lines are inserted",
    doubled="0",
    recovery="`bq insert` of the lines",
    sees="`not in iris_ledger: {…}`, exit code 1",
)
def test_a_drain_that_cannot_write_the_ledger_has_its_rows_in_the_log(
    bigquery_host, client, tables, feed, caplog, monkeypatch
):
    monkeypatch.setattr("pipeline.drain.LEFT_SECONDS", 0.0)
    with failing(bigquery_host, refused("iris_ledger")):
        assert feed.drain() == 1
    assert ledger(client, tables) == dict.fromkeys(COUNTS, 0)
    assert len(stored(client, tables, "bmrs_fuelinst_iris")) == COUNT
    assert "left in Pub/Sub: the next drain" not in caplog.text
    said = [text.partition("not in iris_ledger: ") for text in caplog.messages]
    rows = [json.loads(row) for _, found, row in said if found]
    assert client.insert_rows_json(f"{tables}.iris_ledger", rows) == []
    counts = ledger(client, tables)
    assert counts["messages"] == counts["records"] == 2 * COUNT
    assert (counts["rows"], counts["dead_letters"]) == (2 * COUNT - 1, 1)
