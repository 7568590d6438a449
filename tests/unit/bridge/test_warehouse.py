"""Which tables and which IRIS datasets a command of the bridge means."""

import argparse
from pathlib import Path

import pytest

from bridge import warehouse
from bridge.settings import Destination
from command.tables_path import TablesPath
from command.usage import UsageError

DESTINATION = Destination("projects/topics-project/topics/iris", None)


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    warehouse.add_options(parser, parser)
    return parser.parse_args(arguments)


def path(*arguments):
    return warehouse.tables_path(parsed(*arguments), DESTINATION)


def test_tables_are_in_the_topics_project_and_the_usual_dataset():
    assert path() == TablesPath("topics-project", "uk_energy_prod")


def test_dataset_is_bigquerys_and_iris_dataset_that_of_iris():
    given = ("--project", "other", "--dataset", "mine", "--iris-dataset", "FREQ")
    assert path(*given) == TablesPath("other", "mine")
    assert warehouse.iris_datasets(parsed(*given)) == ["FREQ"]


def test_a_dataset_that_is_asked_for_twice_counts_once():
    given = ("--iris-dataset", "MID", "--iris-dataset", "FREQ", "--iris-dataset", "MID")
    assert warehouse.iris_datasets(parsed(*given)) == ["MID", "FREQ"]


def test_with_tables_dataset_has_the_meaning_that_it_had_before():
    given = ("--tables", "mine", "--dataset", "FREQ", "--dataset", "MID")
    assert path(*given).dataset == "mine"
    assert warehouse.iris_datasets(parsed(*given)) == ["FREQ", "MID"]


@pytest.mark.parametrize("name", ["FREQ", "SYS_WARN", "UOU2T14D"])
def test_an_iris_dataset_where_a_bigquery_dataset_is_meant_says_what_to_give(name):
    with pytest.raises(UsageError, match=f"use --iris-dataset {name} "):
        path("--dataset", name)
    with pytest.raises(UsageError, match=f"use --iris-dataset {name} "):
        path("--dataset", "mine", "--dataset", name)


def test_two_bigquery_datasets_are_a_mistake():
    with pytest.raises(
        UsageError, match=r"more than one BigQuery dataset \(one, two\)"
    ):
        path("--dataset", "one", "--dataset", "two")


def test_every_dataset_of_the_registry_is_known_by_its_form():
    names = [file.stem for file in Path("pipeline/datasets").glob("*.yaml")]
    assert len(names) > 80
    assert all(warehouse.IRIS_DATASET.fullmatch(name) for name in names)


def test_help_does_not_show_the_old_name():
    parser = argparse.ArgumentParser()
    warehouse.add_options(parser, parser)
    assert "--tables" not in parser.format_help()
