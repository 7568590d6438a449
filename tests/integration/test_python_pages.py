"""The notebook and the Python of the documents run, on a day of the demo."""

import json
import os
import re
from pathlib import Path

import matplotlib as mpl
import nbformat
import pytest
from nbclient import NotebookClient

from tests.integration.demo_fixture import store_demo

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "notebooks" / "a_day.ipynb"
YESTERDAY = "dt.date(2026, 5, 5)"
SENT = (
    "BOALF",
    "DISEBSP",
    "EBOCF",
    "FREQ",
    "FUELINST",
    "MID",
    "PN",
    "REMIT",
    "WINDFOR",
)
# The market views need these tables.
EMPTY = ("IGCPU", "UOU2T14D")
BATTERY_MW = 100
# The last cell, for the test alone.
FIGURES = """
import json
print(json.dumps({
    "prices": prices.notna().sum().to_dict(),
    "fuels": sorted(mix.columns),
    "half_hours": len(mix),
    "demand_gw": mix.sum(axis="columns").agg(["min", "max"]).tolist(),
    "minutes": int(level.notna().sum()),
    "level_mw": [float(level.min()), float(level.max())],
    "asked": int((level != plan).sum()),
    "battery": battery.to_dict(),
}))
"""


@pytest.fixture(scope="module", autouse=True)
def demo(client, bigquery_server, tmp_path_factory):
    """Tables with the demo's yesterday and this morning, as of a fixed instant."""
    store_demo(client, tmp_path_factory.mktemp("demo"), SENT, EMPTY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIGQUERY_GRPC_PORT", str(bigquery_server["grpc_port"]))
        yield


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed():
    """The notebook after its run for the demo's yesterday."""
    run = nbformat.read(NOTEBOOK, as_version=4)
    [parameters] = [c for c in run.cells if "parameters" in c.metadata.get("tags", ())]
    parameters.source, count = re.subn(
        "(?m)^DAY = .*$", f"DAY = {YESTERDAY}", parameters.source
    )
    assert count == 1
    run.cells.append(nbformat.v4.new_code_cell(FIGURES))
    settings = {"metadata": {"path": str(NOTEBOOK.parent)}}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    client = NotebookClient(run, kernel_name="python3", resources=settings)
    client.execute(env=environment)
    return run


@pytest.fixture(scope="module")
def figures(executed):
    return json.loads(executed.cells[-1].outputs[-1].text)


def test_the_notebook_is_kept_without_outputs(notebook):
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


def test_the_notebook_draws_price_mix_and_battery(executed):
    outputs = (output for cell in executed.cells for output in cell.get("outputs", ()))
    charts = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(charts) == 3


def test_the_notebook_warns_of_nothing(executed):
    outputs = (output for cell in executed.cells for output in cell.get("outputs", ()))
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []


def test_each_half_hour_of_the_day_has_both_prices(figures):
    assert figures["prices"] == {"system": 48, "index": 48}


def test_the_mix_is_that_of_a_whole_system(figures):
    assert {"WIND", "CCGT", "NUCLEAR", "imports"} <= set(figures["fuels"])
    assert figures["half_hours"] == 48
    low, high = figures["demand_gw"]
    assert 10 < low < high < 60


def test_the_battery_has_a_level_at_each_minute_within_its_capacity(figures):
    assert figures["minutes"] == 1440
    low, high = figures["level_mw"]
    assert -BATTERY_MW <= low < 0 < high <= BATTERY_MW
    assert figures["asked"] > 0


def test_the_battery_charged_and_discharged_what_its_levels_are(figures):
    battery = figures["battery"]
    assert 0 < battery["charged_mwh"] < 24 * BATTERY_MW
    assert 0 < battery["discharged_mwh"] < 24 * BATTERY_MW
    assert battery["cashflow_gbp"] != 0


def python_of(page):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    text = "\n".join(blocks)
    return re.sub("(?m)^yesterday = .*$", f"yesterday = {YESTERDAY}", text)


@pytest.mark.parametrize("page", ["docs/python.md", "README.md"])
def test_the_python_of_a_page_returns_rows(page):
    mpl.use("agg")
    names = {}
    exec(compile(python_of(page), page, "exec"), names)
    frames = [value for value in names.values() if hasattr(value, "columns")]
    assert frames
    assert [frame for frame in frames if not len(frame)] == []
