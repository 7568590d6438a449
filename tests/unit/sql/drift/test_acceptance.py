"""What the user's words mean, and what is written."""

import datetime as dt
import json
from pathlib import Path

import pytest

from command.usage import UsageError
from pipeline.registry import FOLDER, Registry, load_registry, read_registry
from sql.drift.acceptance import check_folder, selection_of, write_registry
from sql.drift.unknown_datasets import UnknownDataset
from sql.drift.unknown_fields import FieldsSeen

NOW = dt.datetime(2026, 5, 6, tzinfo=dt.UTC)
NAMES = ("FREQ", "REMIT", "MID")
REGISTRY = Registry([load_registry()[name] for name in NAMES])


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        text = (FOLDER / f"{name}.yaml").read_text()
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def found():
    seen = FieldsSeen(REGISTRY)
    remit = {"newField": 1, "outageProfile[0].note": "x", "shared": 1, "Cause": "y"}
    seen.add("REMIT", NOW, json.dumps(remit))
    seen.add("FREQ", NOW, '{"shared": 2.5}')
    new = UnknownDataset("NEW")
    new.add(b'[{"publishTime": "2026-05-06T00:00:00Z", "a": 1}]', None)
    new.propose(REGISTRY)
    odd = UnknownDataset("ODD")
    odd.add(b"[]", None)
    odd.propose(REGISTRY)
    return seen.fields(), [new, odd]


def selected(*wanted):
    return selection_of(wanted, REGISTRY, *found())


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ("REMIT.newField", "newField"),
        ("newField", "newField"),
        ("REMIT.outageProfile.note", "outageProfile[].note"),
        ("REMIT.outageProfile[].note", "outageProfile[].note"),
        ("outageProfile.note", "outageProfile[].note"),
        ("REMIT.shared", "shared"),
    ],
)
def test_a_field_is_found_by_its_name(wanted, field):
    found = selected(wanted, wanted)
    (one,) = found.fields
    assert (one.dataset, one.field) == ("REMIT", field)
    assert found.datasets == ["REMIT"]


def test_a_dataset_is_found_by_its_name():
    assert [new.name for new in selected("NEW").new] == ["NEW"]


@pytest.mark.parametrize(
    "wanted",
    ["REMIT", "REMIT.cause", "REMIT.outageProfile.capacity", "measurementTime"],
)
def test_what_is_known_is_nothing_to_write(wanted, folder):
    known = selected(wanted)
    assert len(known.datasets) == 1
    assert write_registry(known, folder) == []


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("shared", "may mean FREQ.shared, REMIT.shared"),
        ("REMIT.newFeld", "there is REMIT.newField"),
        ("newFild", "there is REMIT.newField$"),
        ("zzz", "there is FREQ.shared"),
        ("Cause", "REMIT.Cause cannot be added: differs only in case from cause"),
        ("ODD", "ODD cannot be added: no field dates"),
        ("../x", "no unknown field"),
    ],
)
def test_a_name_that_says_nothing_is_one_line(wanted, said):
    with pytest.raises(UsageError, match=said) as caught:
        selected("REMIT.newField", wanted)
    assert "\n" not in str(caught.value)


def test_fields_and_files_are_written_and_read_again(folder):
    wanted = selected("newField", "REMIT.outageProfile.note", "FREQ.shared", "NEW")
    assert sorted(write_registry(wanted, folder)) == [
        "FREQ.yaml",
        "NEW.yaml",
        "REMIT.yaml",
    ]
    after = read_registry(folder)
    assert sorted(after) == ["FREQ", "MID", "NEW", "REMIT"]
    today = dt.datetime.now(dt.UTC).date()
    new = after["REMIT"].column("newField")
    assert (new.type, new.since) == ("INT64", today)
    assert after["REMIT"].column("outageProfile").fields[-1].name == "note"
    assert after["FREQ"].column("shared").type == "FLOAT64"
    assert after["MID"] == REGISTRY["MID"]
    assert not [path for path in folder.iterdir() if path.suffix != ".yaml"]


def test_a_file_that_cannot_be_extended_leaves_all_files_alone(folder):
    remit = folder / "REMIT.yaml"
    text = remit.read_text().replace("columns:\n", "columns: [\n").replace(
        "  - {", "  {"
    ).replace("}\n", "},\n").partition("  - name: outageProfile")[0]  # fmt: skip
    remit.write_text(text + "]\n")
    before = {path: path.read_text() for path in folder.iterdir()}
    with pytest.raises(ValueError, match="by hand"):
        write_registry(selected("FREQ.shared", "NEW", "newField"), folder)
    assert {path: path.read_text() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    "folder",
    [Path("/usr/lib/python3/site-packages/pipeline/datasets"), Path("/nowhere")],
)
def test_a_registry_that_is_not_a_checkout_is_refused(folder):
    with pytest.raises(UsageError, match="not a writable checkout"):
        check_folder(folder)


def test_this_checkout_can_be_written():
    check_folder(Path(str(FOLDER)))
