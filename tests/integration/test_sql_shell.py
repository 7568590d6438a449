"""The prompt for statements, in a terminal and without one."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from local.bigquery import emulator
from local.data_folder import DataFolder
from tests.integration.bigquery_fixture import ended_job, running_job, server
from tests.integration.terminal_fixture import Terminal

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
CTRL_C, CTRL_D, TAB, UP, ENTER = "\x03", "\x04", "\t", "\x1b[A", "\r"
ENDLESS = (
    "SELECT COUNT(*) AS n FROM numbers AS a, numbers AS b WHERE MOD(a.n * b.n, 7) = 5"
)
PROMPT = "sql>"


@pytest.fixture(scope="module")
def data(client, bigquery_data):
    """The DATA folder of a running server with two tables."""
    client.create_dataset(emulator.DATASET)
    for name in ("bmrs_fuelinst_iris", "bmrs_freq_iris"):
        path = f"{emulator.DATASET}.{name}"
        client.query_and_wait(f"CREATE TABLE {path} (fuelType STRING, level INT64)")
    client.query_and_wait(
        f"CREATE TABLE {emulator.DATASET}.numbers AS "
        "SELECT n FROM UNNEST(GENERATE_ARRAY(1, 1000000)) AS n"
    )
    return bigquery_data


def command(data: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "local", "shell", "--data", str(data), *options]


@pytest.fixture
def history(tmp_path):
    return tmp_path / "history"


@pytest.fixture
def terminal(data, history):
    """The prompt, ready for the first statement."""
    with Terminal(command(data, "--history", str(history))) as terminal:
        terminal.until(PROMPT)
        yield terminal


def answer(terminal: Terminal, keys: str, end: str) -> str:
    """What is shown after some keys, up to a text, and the next prompt."""
    terminal.type(keys)
    shown = terminal.until(end)
    terminal.until(PROMPT)
    return shown


def test_a_statement_of_several_lines_ends_with_a_semicolon(terminal):
    terminal.type("SELECT 7 AS seven," + ENTER)
    terminal.until("...>")
    shown = answer(terminal, "8 AS eight;" + ENTER, "1 row")
    assert shown.endswith("seven  eight\n-----  -----\n    7      8\n1 row")


def test_tab_completes_tables_and_the_columns_of_those_that_are_named(terminal):
    terminal.type("SELECT * FROM bmrs_fuel" + TAB)
    terminal.until("inst_iris")  # what is not there yet is drawn
    terminal.type(" WHERE fuelT" + TAB)
    terminal.until("ype")
    assert "0 rows" in answer(terminal, " = 'x';" + ENTER, "0 rows")


def test_a_mistake_is_a_line_and_the_prompt_goes_on(terminal):
    shown = answer(terminal, "SELECT * FROM bmrs_fuelins_iris;" + ENTER, "do you mean")
    assert "no table bmrs_fuelins_iris" in shown
    assert "1 row" in answer(terminal, "SELECT 1 AS a;" + ENTER, "1 row")


def test_ctrl_c_drops_the_line(terminal):
    terminal.type("SELECT nonsense;" + CTRL_C)
    shown = answer(terminal, "SELECT 1 AS a;" + ENTER, "1 row")
    assert shown.endswith("a\n-\n1\n1 row")
    assert "no column" not in shown


def test_ctrl_c_cancels_the_statement_and_the_prompt_goes_on(terminal, client):
    terminal.type(ENDLESS + ";" + ENTER)
    job = running_job(client, ENDLESS)
    answer(terminal, CTRL_C, "cancelled")
    assert ended_job(client, job).error_result["reason"] == "stopped"
    assert "1 row" in answer(terminal, "SELECT 1 AS a;" + ENTER, "1 row")


def test_a_table_that_was_just_created_is_completed(terminal):
    answer(terminal, "SELECT * FROM bmrs_freq_iris;" + ENTER, "0 rows")
    answer(terminal, "CREATE TABLE quite_new (n INT64);" + ENTER, "quite_new created")
    terminal.type("DROP TABLE quite_n" + TAB)
    terminal.until("ew")
    answer(terminal, ";" + ENTER, "quite_new dropped")


@pytest.mark.parametrize("end", [CTRL_D, "quit" + ENTER, "exit;" + ENTER])
def test_the_prompt_ends_well(terminal, end):
    terminal.type(end)
    assert terminal.end() == 0


def test_statements_are_kept_for_the_next_time_and_for_the_owner_only(
    data, terminal, history
):
    answer(terminal, "SELECT 41 + 1 AS n;" + ENTER, "1 row")
    terminal.type(CTRL_D)
    assert terminal.end() == 0
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    with Terminal(command(data, "--history", str(history))) as later:
        later.until(PROMPT)
        later.type(UP + ENTER)
        assert later.until("1 row").endswith(" n\n--\n42\n1 row")


def test_the_history_is_in_the_data_folder(data):
    with Terminal(command(data)) as terminal:
        terminal.until(PROMPT)
        answer(terminal, "SELECT 1 AS a;" + ENTER, "1 row")
    assert "SELECT 1 AS a;" in (data / "sql-history").read_text()


def piped(data: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(data, *options),
        cwd=ROOT,
        env={**os.environ, "SQL": ""},
        input=text,
        capture_output=True,
        text=True,
    )


def test_without_a_terminal_statements_come_from_standard_input(data):
    done = piped(data, "SELECT 1\nAS a; SELECT 2 AS b;\nSELECT 3 AS c")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == '{"a": 1}\n{"b": 2}\n{"c": 3}\n'


def test_without_a_terminal_a_mistake_ends_it(data):
    done = piped(data, "SELECT 1 AS a;\nSELECT * FROM zzzz;\nSELECT 2 AS b;\n")
    assert (done.returncode, done.stdout) == (2, '{"a": 1}\n')
    assert done.stderr == "no table zzzz; `make tables` lists them\n"


def test_words_of_the_shell_work_without_a_terminal(data):
    done = piped(data, "tables freq\nquit\nSELECT 1;", "--format", "csv")
    assert done.stdout.splitlines()[1].startswith("bmrs_freq_iris,table,0,")
    assert done.returncode == 0


def test_each_statement_is_answered_before_the_next_is_sent(data):
    """So that another program can talk to it."""
    with subprocess.Popen(
        command(data),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        for number in (1, 2):
            process.stdin.write(f"SELECT {number} AS n;\n")
            process.stdin.flush()
            assert process.stdout.readline() == f'{{"n": {number}}}\n'
        process.stdin.close()
    assert process.returncode == 0


def test_a_server_that_was_stopped_is_said_in_a_line(tmp_path):
    with server(tmp_path):
        process = subprocess.Popen(
            command(tmp_path),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        process.stdin.write("SELECT 1 AS a;\n")
        process.stdin.flush()
        assert process.stdout.readline() == '{"a": 1}\n'
    _, said = process.communicate("SELECT 2 AS b;\n")
    assert said == "the statement failed: the local BigQuery was stopped\n"
    assert process.returncode == 1


def test_others_use_the_server_of_a_prompt_that_stays(tmp_path):
    """The prompt started it, and would keep others out of the folder."""
    data = DataFolder(tmp_path)
    data.bigquery.mkdir()
    with Terminal(command(tmp_path)) as terminal:
        terminal.until(PROMPT)
        assert data.state()["owner"] == "make sql-shell"
        other = [sys.executable, "-m", "local", "query", "--data", str(tmp_path)]
        done = subprocess.run([*other, "SELECT 1 AS a"], cwd=ROOT, capture_output=True)
        assert (done.returncode, done.stdout) == (0, b'{"a": 1}\n')
        terminal.type(CTRL_D)
        assert terminal.end() == 0
    assert data.state() is None
