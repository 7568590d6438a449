"""What the user wants to run: the options, checked before anything is started."""

import argparse
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast, get_args

from command.quantity import positive
from command.usage import UsageError
from local.data_folder import DataFolder
from local.ports import LOOPBACK, choose_port, port_number
from local.process import ROOT
from local.pubsub.google_pubsub import DEFAULT_PUBSUB, Choice, pubsub_command
from local.simulator.sample_folder import SampleFolder
from local.stack.iris_source import IrisSource
from pipeline.registry import load_registry

Mode = Literal["streaming", "drain"]
DEFAULT_MODE: Mode = "drain"
DRAINED = "drained"


@dataclass(frozen=True)
class Plan:
    """What the user wants to run.

    Attributes:
        owner: The command that the user typed.
        samples: The folder to replay; None for the demo feed.
        pubsub: Which Pub/Sub.
        simulator: Whether IRIS is simulated.
        mode: How the pipeline reads Pub/Sub.
        archive: The folder of the raw archive; None for no archive.
        rate: Messages a second of the simulator; None for its default.
        until_drained: Whether the run ends when all of SAMPLES is accounted for.
        health_port: The ports that the user gave; None for the usual or a free one.
        iris_port: Of the simulator.
        dashboard: Whether the pages are served, too.
    """

    data: DataFolder
    owner: str
    samples: Path | None = None
    pubsub: Choice = DEFAULT_PUBSUB
    simulator: bool = True
    mode: Mode = DEFAULT_MODE
    archive: Path | None = None
    rate: float | None = None
    until_drained: bool = False
    health_port: int | None = None
    iris_port: int | None = None
    pubsub_port: int | None = None
    bigquery_port: int | None = None
    dashboard: bool = False
    dashboard_port: int | None = None


def services_plan(data: DataFolder, owner: str, options: argparse.Namespace) -> Plan:
    """The plan of the services alone, with a simulator.

    Raises:
        UsageError: An option, a variable or a dataset file is wrong.
    """
    load_registry()  # one error here, instead of one in every part
    return Plan(
        data=data,
        owner=owner,
        samples=_samples(options.samples),
        pubsub=_pubsub(options.pubsub),
        iris_port=_given_port("IRIS_PORT"),
        pubsub_port=_given_port("PUBSUB_PORT"),
        bigquery_port=_given_port("BIGQUERY_PORT"),
        mode=_mode(options.mode),
        archive=_archive(options.archive),
        rate=_rate(options.rate),
    )


def run_plan(
    data: DataFolder, owner: str, options: argparse.Namespace, source: IrisSource
) -> Plan:
    """The plan of a run of the whole system.

    Raises:
        UsageError: An option, a variable or a dataset file is wrong.
    """
    if source.health_port:
        choose_port(source.health_port, [], "HEALTH_PORT")
    until_drained = _until_drained(options)
    services = services_plan(data, owner, options)
    return replace(
        services,
        simulator=not source.live,
        until_drained=until_drained,
        # Nobody looks at a run that ends by itself.
        dashboard=_dashboard(options.dashboard) and not until_drained,
        dashboard_port=_given_port("DASHBOARD_PORT"),
        health_port=source.health_port,
    )


def _samples(text: str) -> Path | None:
    if not text:
        return None
    folder = ROOT / Path(text).expanduser()
    try:
        SampleFolder(folder)
    except OSError as error:
        raise UsageError(f"cannot read SAMPLES: {error}") from None
    return folder


def _pubsub(text: str) -> Choice:
    choice = cast("Choice", text or DEFAULT_PUBSUB)
    if choice not in get_args(Choice):
        raise UsageError(f"PUBSUB is {text!r}; use embedded or google")
    pubsub_command(choice, LOOPBACK, 0, ROOT)  # or says what is not installed
    return choice


def _archive(text: str) -> Path | None:
    if not text:
        return None
    folder = ROOT / Path(text).expanduser()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"ARCHIVE is {text!r}, which is not a folder")
    return folder


def _rate(text: str) -> float | None:
    try:
        return positive(text) if text else None
    except argparse.ArgumentTypeError:
        raise UsageError(
            f"RATE is {text!r}; use a number of messages a second above 0"
        ) from None


def _mode(text: str) -> Mode:
    if text and text not in get_args(Mode):
        raise UsageError(f"MODE is {text!r}; use streaming or drain")
    return cast("Mode", text or DEFAULT_MODE)


def _dashboard(text: str) -> bool:
    if text not in ("", "0", "1"):
        raise UsageError(
            f"DASHBOARD is {text!r}; use 0 for a run without the dashboard"
        )
    return text != "0"


def _until_drained(options: argparse.Namespace) -> bool:
    if options.until not in ("", DRAINED):
        raise UsageError(f"UNTIL is {options.until!r}; the only value is {DRAINED}")
    if options.until and not options.samples:
        raise UsageError(f"UNTIL={DRAINED} needs SAMPLES: the demo feed never ends")
    return bool(options.until)


def _given_port(name: str) -> int | None:
    """The port in an environment variable, if there is one; it must be free."""
    text = os.environ.get(name)
    try:
        return choose_port(port_number(text), [], name) if text else None
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{name}: {error}") from None
