"""Reconciliation: only what no table of BigQuery knows is fetched."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import bigquery

from tests.integration.archive_fixture import Archive, archive_server
from tests.integration.backfill_fixture import DAY, UPLOADED, Backfill, row
from tests.integration.bigquery_fixture import own_dataset
from tests.integration.bridge_fixture import PubSub

pytestmark = pytest.mark.integration


@pytest.fixture
def archive() -> Iterator[Archive]:
    with archive_server() as served:
        yield served


def test_what_the_tables_have_is_not_fetched(
    client: bigquery.Client,
    archive: Archive,
    pubsub: PubSub,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    tables = own_dataset(client, request)
    for statement in (
        f"CREATE TABLE {tables}.bmrs_freq_iris (message_id STRING, value FLOAT64)",
        f"CREATE TABLE {tables}.iris_dead_letters (dataset STRING, message_id STRING)",
        f"CREATE TABLE {tables}.iris_unmapped (dataset STRING, message_id STRING)",
        f"INSERT {tables}.bmrs_freq_iris VALUES ('FREQ_1', 1), ('FREQ_1', 2),"
        " ('FREQ_2', 1), ('FREQ_0', 1), (NULL, 1)",
        f"INSERT {tables}.iris_dead_letters VALUES ('FREQ', 'FREQ_3'),"
        " (NULL, 'FREQ_4'), ('MID', 'FREQ_4')",
        f"INSERT {tables}.iris_unmapped VALUES ('NEW', 'NEW_1'), ('NEW', 'AAA')",
    ):
        client.query(statement).result()
    for name in ("FREQ_1", "FREQ_2", "FREQ_3", "FREQ_4", "FREQ_5"):
        archive.put("FREQ", name, b"[1]", UPLOADED)
    archive.put("MID", "MID_1", b"[1]", UPLOADED)  # a dataset without a table
    archive.put("NEW", "NEW_1", b"[1]", UPLOADED)
    odd = "x` WHERE 1=1 --"
    archive.put(odd, "ODD_1", b"[1]", UPLOADED)

    backfill = Backfill(tmp_path, archive, pubsub)
    options = (*DAY, "--missing", "--project", client.project, "--dataset", tables)
    out, _ = backfill.run(*options, "--dry-run")
    assert row(out, "FREQ") == ["5", "3"]
    out, _ = backfill.run(*options)
    # In archive, in tables, fetched, published.
    assert row(out, "FREQ") == ["5", "3", "2", "2"]
    assert row(out, "MID") == ["1", "0", "1", "1"]
    assert row(out, "NEW") == ["1", "1", "0", "0"]
    assert row(out, "total") == ["8", "4", "4", "4"]
    ids = {x.attributes["message_id"] for x in pubsub.pull(4)}
    assert ids == {"FREQ_4", "FREQ_5", "MID_1", "ODD_1"}
    assert len([path for path in archive.fetches() if "data" in path]) == 4

    # They became rows, but one, whose records are duplicates of other messages'.
    client.query(
        f"INSERT {tables}.bmrs_freq_iris VALUES ('FREQ_4', 1), ('FREQ_5', 1)"
    ).result()
    out, err = backfill.run(*options)
    assert row(out, "total")[:2] == ["8", "6"]
    assert "2 were published before and have no row yet" in err
    _, err = backfill.run(*options[:-1], "nowhere", code=2)
    assert err.splitlines()[-1].startswith(
        f"python -m bridge backfill: {client.project}.nowhere does not"
    )


def test_what_has_no_subject_is_looked_for_in_every_table(
    client: bigquery.Client,
    archive: Archive,
    pubsub: PubSub,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Its rows are in the table of the dataset that its records name."""
    tables = own_dataset(client, request)
    for statement in (
        f"CREATE TABLE {tables}.bmrs_freq_iris (message_id STRING)",
        f"CREATE TABLE {tables}.bmrs_sys_warn_iris (message_id STRING)",
        f"CREATE TABLE {tables}.bmrs_freq (message_id STRING)",
        f"CREATE TABLE {tables}.iris_dead_letters (dataset STRING, message_id STRING)",
        f"CREATE TABLE {tables}.iris_unmapped (dataset STRING, message_id STRING)",
        f"INSERT {tables}.bmrs_freq_iris VALUES ('b')",
        f"INSERT {tables}.bmrs_sys_warn_iris VALUES ('c')",
        f"INSERT {tables}.bmrs_freq VALUES ('e')",
        f"INSERT {tables}.iris_dead_letters VALUES ('MID', 'd')",
        f"INSERT {tables}.iris_unmapped VALUES ('unknown', 'a')",
    ):
        client.query(statement).result()
    for name in ("a", "b", "c", "d", "e"):
        archive.put("unknown", name, b"[1]", UPLOADED)
    backfill = Backfill(tmp_path, archive, pubsub)
    options = (*DAY, "--missing", "--project", client.project, "--dataset", tables)
    out, _ = backfill.run(*options)
    assert row(out, "unknown") == ["5", "4", "1", "1"]
    assert [x.attributes["message_id"] for x in pubsub.pull(1)] == ["e"]
