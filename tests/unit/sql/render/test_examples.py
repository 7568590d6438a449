"""The committed examples are what the registry and the templates make."""

import re

from command.tables_path import LOCAL_TABLES
from sql.__main__ import main
from sql.render.examples import COMMAND, FOLDER, examples
from sql.render.statements import statements

EXAMPLES = examples(LOCAL_TABLES)
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def kind(name: str) -> str:
    """`_latest` of `bmrs_freq_latest`; a table of the pipeline is of its own kind."""
    ends = "iris|unified|latest(_between)?|resolved(_between|_runs)?"
    return re.sub(rf"^bmrs_.+?(?=_({ends})$)", "", name)


def test_the_committed_examples_are_up_to_date():
    committed = {
        path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.sql")
    }
    assert committed == EXAMPLES, f"run `{COMMAND}`, and remove what it does not write"


def test_the_page_has_a_line_for_each_example():
    assert re.findall(r"^\| \[(\w+)\]\(\1\.sql\)", README, re.MULTILINE) == [
        *("table", "unified_without_history", "unified_with_history"),
        *("unified_with_api", "latest", "latest_forecast", "latest_messages"),
        "latest_between",
        *("resolved", "resolved_between", "resolved_runs", "held"),
        *("dead_letters", "unmapped", "replays", "ledger"),
        *("gb_reference_units", "gb_units", "gb_units_between"),
        *("gb_outages", "gb_outages_now", "gb_outages_at"),
        *("gb_outages_known", "gb_outages_history"),
        *("gb_installed_capacity", "gb_installed_capacity_at"),
        *("gb_acceptance_volumes", "gb_acceptance_volumes_between"),
        *("gb_unit_balancing", "gb_unit_balancing_between"),
        *("gb_unit_position", "gb_generation", "gb_generation_between"),
        *("gb_generation_half_hours", "gb_generation_half_hours_between"),
        *("gb_demand", "gb_demand_between", "gb_wind", "gb_price", "gb_price_between"),
        *("gb_frequency", "gb_frequency_between", "gb_frequency_events"),
    ]
    assert len(re.findall(r"\.sql\)", README)) == len(EXAMPLES)
    assert COMMAND in README


def test_every_kind_of_table_and_view_has_an_example():
    made = {kind(name) for files in statements(LOCAL_TABLES).values() for name in files}
    names = re.findall(rf"{LOCAL_TABLES}\.(\w+)` \(\n", "".join(EXAMPLES.values()))
    assert {kind(name) for name in names} == made


def test_examples_are_written_where_the_user_says(tmp_path, capsys):
    assert main(["render", "--examples", "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{len(EXAMPLES)} examples in {tmp_path}/\n"
    assert {path.stem for path in tmp_path.iterdir()} == set(EXAMPLES)
