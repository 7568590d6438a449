"""Tables path: the project and the BigQuery dataset that hold the tables."""

import argparse
import re
from typing import NamedTuple

from command import network
from command.network import Server
from command.usage import UsageError

DATASET = "uk_energy_prod"
# https://cloud.google.com/resource-manager/docs/creating-managing-projects, with the
# domain that old ones have; https://cloud.google.com/bigquery/docs/datasets#dataset-naming
_PROJECT = re.compile(r"[a-z][a-z0-9.:-]{0,98}[a-z0-9]", re.ASCII)
_DATASET = re.compile(r"\w{1,1024}", re.ASCII)


class TablesPath(NamedTuple):
    """Where the tables are; its text is `project.dataset`."""

    project: str
    dataset: str = DATASET

    def __str__(self) -> str:
        return f"{self.project}.{self.dataset}"


# The tables of the local BigQuery.
LOCAL_TABLES = TablesPath("gb-iris")


def project_id(text: str) -> str:
    """A project id; for argparse.

    Raises:
        argparse.ArgumentTypeError: The text is not a project id.
    """
    if not _PROJECT.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a project id, such as my-project-123"
        )
    return text


def dataset_name(text: str) -> str:
    """The name of a BigQuery dataset; for argparse.

    Raises:
        argparse.ArgumentTypeError: The text is not such a name.
    """
    if not _DATASET.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a BigQuery dataset name")
    return text


def add_dataset_option(parser: argparse._ActionsContainer) -> None:
    """Adds `--dataset`."""
    parser.add_argument(
        "--dataset",
        type=dataset_name,
        default=DATASET,
        help="the BigQuery dataset (default: %(default)s)",
    )


def require_answer(host: str) -> None:
    """Makes sure that a local BigQuery answers; Google's client may wait forever.

    Args:
        host: What `BIGQUERY_EMULATOR_HOST` says, with or without `http://`.

    Raises:
        UsageError: Nothing answers there.
    """
    require_server(host)
    if not network.answers(host, network.BUSY_SECONDS):
        raise UsageError(
            f"{host} (BIGQUERY_EMULATOR_HOST) accepts a connection, and answers "
            f"nothing for {network.BUSY_SECONDS:.0f} s: its log says why; `make down` "
            "and `make up` start it again"
        )


def require_server(host: str) -> None:
    """Makes sure that a local BigQuery runs.

    Args:
        host: What `BIGQUERY_EMULATOR_HOST` says, with or without `http://`.

    Raises:
        UsageError: Nothing accepts a connection there.
    """
    try:
        server = network.at(host)
    except ValueError:  # not an address
        server = Server("", 0)
    if network.failure(server):
        raise UsageError(
            f"nothing answers at {host} (BIGQUERY_EMULATOR_HOST): `make up` starts it, "
            "`export $(make -s env)` loads its address again; or unset the variable"
        )
