"""The DDL of every table, and the command that renders it."""

import pytest

from command.tables_path import TablesPath
from pipeline.core.reasons import Stage
from pipeline.registry import METADATA_COLUMNS, Column, load_registry
from pipeline.steps.ledger import EMPTY
from sql.__main__ import main
from sql.schemas import merged_schema, schema_field, type_text
from sql.tables import (
    DEAD_LETTERS,
    LEDGER,
    RESOLVED,
    Table,
    all_tables,
    create_statement,
    dataset_table,
)

REGISTRY = load_registry()
PATH = TablesPath("p", "d")


def test_every_dataset_and_our_own_tables():
    names = [table.name for table in all_tables(REGISTRY)]
    assert len(names) == len(set(names)) == len(REGISTRY) + 5 + len(RESOLVED)
    own = {"iris_dead_letters", "iris_unmapped", "iris_replays", "iris_ledger"}
    assert own | {"gb_reference_units"} <= set(names)


@pytest.mark.parametrize("dataset", REGISTRY.values(), ids=lambda d: d.name)
def test_a_dataset_table_is_partitioned_and_described(dataset):
    statement = create_statement(dataset_table(dataset), PATH)
    assert statement.startswith(f"CREATE TABLE IF NOT EXISTS `p.d.{dataset.table}` (\n")
    assert "PARTITION BY" in statement
    # It has several rows for a key, and BigQuery trusts a key that it does not enforce.
    assert "PRIMARY KEY" not in statement
    assert statement.count("description = ") > len(dataset.columns)
    for column in (*dataset.columns, *METADATA_COLUMNS):
        assert f"`{column.name}` " in statement


def test_the_statement_of_a_small_table():
    table = Table(
        "t",
        (
            Column("at", "TIMESTAMP", description='Say "when".'),
            Column("mw", "FLOAT64", unit="MW", description="Power."),
            Column("steps", "RECORD", "REPEATED", fields=(Column("n", "INT64"),)),
        ),
        "at",
        ("mw",),
        "A table.",
    )
    assert create_statement(table, PATH) == (
        "CREATE TABLE IF NOT EXISTS `p.d.t` (\n"
        '  `at` TIMESTAMP OPTIONS (description = "Say \\"when\\"."),\n'
        '  `mw` FLOAT64 OPTIONS (description = "Power. Unit: MW."),\n'
        "  `steps` ARRAY<STRUCT<`n` INT64>>\n"
        ")\n"
        "PARTITION BY TIMESTAMP_TRUNC(`at`, DAY)\n"
        "CLUSTER BY `mw`\n"
        'OPTIONS (description = "A table.");\n'
    )


def test_the_ledger_table_has_the_counts_of_the_pipeline():
    assert {column.name for column in LEDGER.columns} == {
        *EMPTY,
        *("minute_utc", "window_start", "dataset", "pane", "entry_id"),
    }


def test_merging_adds_nested_fields_and_keeps_what_is_not_ours():
    found = [
        schema_field(Column("mine", "STRING")),
        schema_field(
            Column("profile", "RECORD", "REPEATED", fields=(Column("a", "INT64"),))
        ),
    ]
    wanted = [
        Column(
            "profile",
            "RECORD",
            "REPEATED",
            fields=(Column("a", "INT64"), Column("b", "FLOAT64")),
        ),
        Column("new", "DATE"),
    ]
    merged = merged_schema(found, wanted)
    assert [field.name for field in merged.schema] == ["mine", "profile", "new"]
    assert [field.name for field in merged.schema[1].fields] == ["a", "b"]
    assert merged.added == ["profile.b", "new"]
    assert merged.surplus == ["mine"]
    assert merged.conflicts == []


def test_a_column_that_takes_more_without_loss_is_widened_with_its_record():
    inner = (Column("mw", "INT64"), Column("note", "STRING"))
    found = [
        schema_field(Column("n", "INT64")),
        schema_field(Column("r", "RECORD", fields=inner)),
    ]
    wanted = [
        Column("n", "FLOAT64"),
        Column("r", "RECORD", fields=(Column("mw", "FLOAT64"), inner[1])),
    ]
    merged = merged_schema(found, wanted)
    assert (merged.widened, merged.conflicts) == (["n", "r.mw"], [])
    assert type_text(found[0], merged.widened) == "FLOAT64"
    assert type_text(found[1], merged.widened) == "STRUCT<`mw` FLOAT64, `note` STRING>"


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        (Column("c", "FLOAT64"), Column("c", "INT64")),
        (Column("c", "INT64"), Column("c", "STRING")),
        (Column("c", "STRING"), Column("c", "FLOAT64")),
        (Column("c", "INT64", "REPEATED"), Column("c", "FLOAT64", "REPEATED")),
        (Column("c", "INT64"), Column("c", "FLOAT64", "REPEATED")),
    ],
)
def test_what_would_lose_or_cannot_be_changed_in_place_is_a_conflict(there, wanted):
    merged = merged_schema([schema_field(there)], [wanted])
    assert merged.widened == []
    (conflict,) = merged.conflicts
    assert conflict.startswith(f"c is {there.type} {there.mode} and should be")
    assert "in place" in conflict


def test_render_writes_one_file_a_table(tmp_path, capsys):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "bmrs_old_iris.sql").touch()
    assert main(["render", "--output", str(tmp_path)]) == 0
    expected = len(REGISTRY) + 5 + len(RESOLVED)
    assert f"{expected} tables" in capsys.readouterr().out
    assert len(list((tmp_path / "tables").glob("*.sql"))) == expected


def test_render_leaves_other_files_of_a_folder_alone(tmp_path):
    """`--output sql` must not cost the folder `sql/views`."""
    mine = tmp_path / "views" / "mine.py"
    mine.parent.mkdir()
    mine.touch()
    assert main(["render", "--output", str(tmp_path)]) == 0
    assert mine.exists()


def test_render_into_what_is_no_folder_is_one_line(tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    assert main(["render", "--output", str(file)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["apply"],
        ["apply", "--project", "p; DROP", "--dataset", "d"],
        ["render", "--dataset", "a-b"],
        ["rendr"],
        [],
    ],
)
def test_a_mistake_is_one_line_and_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize("host", ["http://127.0.0.1:1", "http://[::1:1"])
@pytest.mark.parametrize(
    "arguments", [["apply"], ["check"], ["drift"], ["compact", "bmrs_freq"]]
)
def test_a_local_server_that_is_not_there_is_one_line(
    arguments, host, monkeypatch, capsys
):
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", host)
    assert main([*arguments, "--project", "gb-iris"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"nothing answers at {host}" in line


def test_bigquery_out_of_reach_is_one_line(monkeypatch, capsys):
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
    assert main(["apply", "--project", "some-project"]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("python -m sql apply: no credentials for BigQuery")


def test_every_step_that_makes_dead_letters_is_described():
    (stage,) = (column for column in DEAD_LETTERS.columns if column.name == "stage")
    assert [step for step in Stage if step not in stage.description] == []
