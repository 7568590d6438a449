import subprocess
import sys

PROGRAM = """
import sys
from command.left_out import leave_out

leave_out("pandas", "IPython", "json")
from google.cloud import bigquery
from google.cloud.bigquery import _pandas_helpers

print(sys.modules.get("pandas"), _pandas_helpers.pandas, sys.modules["json"].__name__)
"""


def test_what_is_left_out_is_not_loaded_by_others_and_what_is_loaded_stays() -> None:
    command = [sys.executable, "-c", "import json\n" + PROGRAM]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["None", "None", "json"]


def test_arrow_makes_arrays_without_pandas():
    """It is written in Cython, whose import is not quite Python's."""
    program = (
        "from command.left_out import leave_out; leave_out('pandas');"
        " import pyarrow; print(pyarrow.array([1, 2]).to_pylist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.stdout == "[1, 2]\n", done.stderr


def test_what_was_left_out_for_a_time_can_be_imported_afterwards():
    program = (
        "from command.left_out import left_out\n"
        "with left_out('orjson'):\n"
        "    try:\n"
        "        import orjson\n"
        "    except ModuleNotFoundError as error:\n"
        "        print(error.name)\n"
        "import orjson; print(orjson.dumps([1]).decode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.stdout.split() == ["orjson", "[1]"], done.stderr
