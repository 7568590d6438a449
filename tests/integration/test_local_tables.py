"""New DATA folders start from a blank: tables and views made once, without a row."""

import asyncio
import os
from pathlib import Path

import pytest

from command.usage import UsageError
from local.bigquery import emulator, tables
from local.data_folder import DataFolder
from local.failure import PartFailedError
from tests.integration.bigquery_fixture import running_bigquery

pytestmark = pytest.mark.integration


@pytest.fixture
def blank(tmp_path, monkeypatch):
    """A folder for this test's blank; lists the servers that made one there.

    Its only table takes a second rather than a minute.
    """
    made = []

    async def apply(server: emulator.Server, log: Path) -> None:
        client = emulator.connect(server.host, dataset=None)
        client.create_dataset(emulator.DATASET)
        client.query_and_wait(f"CREATE TABLE {emulator.DATASET}.one (n INT64)")
        made.append(server.port)

    environment = tmp_path / "environment"
    environment.mkdir()
    monkeypatch.setattr(tables, "ENVIRONMENT", environment)
    monkeypatch.setattr(tables, "BLANK", environment / "blank")
    monkeypatch.setattr(tables, "apply", apply)
    return made


def start(*folders: DataFolder) -> list[bool]:
    """Whether each folder has its tables."""

    async def together() -> list[bool]:
        return await asyncio.gather(*map(tables.start_from_blank, folders))

    return asyncio.run(together())


def test_new_folders_share_a_blank_and_nothing_else(blank, tmp_path):
    one, two, three = (DataFolder(tmp_path / name) for name in ("one", "two", "three"))
    assert start(one, two) == [True, True]
    with running_bigquery(one.path) as host:
        emulator.connect(host).query_and_wait("INSERT INTO one VALUES (1)")
    start(three)
    assert len(blank) == 1, "it was made more than once"
    assert blank != [emulator.USUAL_PORT], "a program that writes there would reach it"
    with running_bigquery(three.path) as host:
        client = emulator.connect(host)
        rows = client.query_and_wait("SELECT COUNT(*) AS n FROM one")
        assert [row.n for row in rows] == [0]
        statements = [job.query for job in client.list_jobs()]
        assert not [text for text in statements if text.startswith("CREATE")]
    two_again = DataFolder(tmp_path / "two again")
    two_again.path.mkdir()
    (two_again.path / "bigquery.new").write_text("in the way")
    with pytest.raises(UsageError, match=r"cannot create the tables in .* again"):
        start(two_again)
    assert two.has_tables
    assert not two_again.has_tables


def test_a_blank_that_failed_or_has_other_sql_is_not_used(blank, tmp_path, monkeypatch):
    async def refuse(server: emulator.Server, log: Path) -> None:
        raise server.child.failed("refuses")

    one, two = DataFolder(tmp_path / "one"), DataFolder(tmp_path / "two")
    with monkeypatch.context() as failing:
        failing.setattr(tables, "apply", refuse)
        with pytest.raises(PartFailedError, match="refuses"):
            start(one)
    assert not tables.blank_is_made()
    assert not one.has_tables
    start(one)
    assert tables.blank_is_made()
    assert one.has_tables
    monkeypatch.setattr(tables, "fingerprint", lambda: "of other SQL")
    assert not tables.blank_is_made()
    start(two)
    assert tables.blank_is_made()
    assert len(blank) == 2


def test_tables_are_not_current_where_a_blank_cannot_be_made(
    blank, tmp_path, monkeypatch
):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    one = DataFolder(tmp_path / "one")
    assert (start(one), blank, one.has_tables) == ([False], [], False)


def test_an_end_while_the_blank_is_made_leaves_no_server(blank, tmp_path, monkeypatch):
    servers = []

    async def go_on(server: emulator.Server, log: Path) -> None:
        servers.append(server)
        await asyncio.Event().wait()

    async def end_it() -> None:
        making = asyncio.create_task(tables.start_from_blank(data))
        while not servers:
            await asyncio.sleep(0.05)
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making

    data = DataFolder(tmp_path / "one")
    monkeypatch.setattr(tables, "apply", go_on)
    asyncio.run(end_it())
    assert servers[0].child.exit_code is not None
    assert not tables.blank_is_made()
    assert not data.has_tables
