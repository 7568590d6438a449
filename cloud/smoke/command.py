"""The command line of the smoke test."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict

from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery

from cloud import place
from cloud.place import Place
from cloud.smoke import cleaning, deployment, google_api, queries, report, tables
from cloud.smoke.findings import Finding, Verdict, any_failed, failed
from cloud.smoke.messages import new_run
from cloud.smoke.pubsub import Pubsub
from cloud.smoke.trial import Trial
from command.duration import seconds_in
from command.text import first_line, printable
from command.usage import UsageError
from pipeline.registry import Registry, load_registry
from sql.connection import add_path_options, client_of

INTERRUPTED = 130
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._~+%-]{2,254}\Z")  # as Pub/Sub has it

_DESCRIPTION = """\
Publishes seven messages to the topic of a deployment, as the bridge would, waits until
its pipeline has made rows of them, and looks at topic, subscription, tables, views,
permissions, APIs and quotas. Says of each what was seen and what to do.

The messages are marked SMOKE-<time>-<random>, lie on a day four years back and hold
zeros, under a BM unit, fuel and data provider of that name. Their rows are removed at
the end, or by --clean: BigQuery lets streamed rows go after 30 minutes, rarely 90.
The ledger goes on counting them, and the raw archive keeps the messages.
"""
_EPILOG = """\
With BIGQUERY_EMULATOR_HOST and PUBSUB_EMULATOR_HOST it looks at local servers.

exit codes: 0 nothing failed (what is not known does not count), 1 something failed, or
rows are left after --clean, 2 an option must be corrected, 130 stopped with Ctrl-C
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    add_path_options(parser)
    parser.add_argument(
        "--region",
        type=place.region,
        help="of Cloud Run job and Dataflow; what lies there is not known without it",
    )
    for name, usual in (
        ("topic", place.TOPIC),
        ("subscription", place.SUBSCRIPTION),
    ):
        parser.add_argument(
            f"--{name}",
            type=_name,
            default=usual,
            metavar="NAME",
            help="without the project (default: %(default)s)",
        )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default="15m",
        metavar="TIME",
        help="wait for rows so long, such as 90s or 15m (default: %(default)s)",
    )
    parser.add_argument(
        "--run-drain",
        action="store_true",
        help="read the subscription from here, with your credentials: all that waits "
        "there becomes rows",
    )
    parser.add_argument(
        "--impersonate",
        action="store_true",
        help="ask for permissions as each service account, where you may "
        "(roles/iam.serviceAccountTokenCreator): tells what policies do not",
    )
    parser.add_argument(
        "--clean",
        action="store_true",
        help="only remove rows that earlier runs have left",
    )
    parser.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="for a person or for a machine (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Tries a deployment, and reports.

    Raises:
        UsageError: There are no credentials, or the environment names one of two local
            servers.
    """
    where = Place(
        options.project,
        options.region,
        options.dataset,
        options.topic,
        options.subscription,
        local=place.is_local(),
    )
    registry = load_registry()
    try:
        client = client_of(options)
        if options.clean:
            return _clean(client, where, registry, options.format)
        return _try(client, where, registry, options)
    except GoogleAuthError as error:
        raise UsageError(
            f"no Google credentials ({first_line(error)}): "
            "gcloud auth application-default login"
        ) from None


def _try(
    client: bigquery.Client,
    where: Place,
    registry: Registry,
    options: argparse.Namespace,
) -> int:
    trial = Trial(
        client, where, registry, new_run(), options.timeout, run_drain=options.run_drain
    )
    found: list[Finding] = []
    try:
        with Pubsub(where) as pubsub:
            for finding in _before(client, where, registry, pubsub, options):
                found.append(finding)
                _tell(finding)
            found += trial.findings(pubsub, found)
    except KeyboardInterrupt:
        sys.stderr.write("stopped")
        if trial.is_published:
            sys.stderr.write(
                f"; messages of {trial.run.marker} are under way. When they are rows, "
                f"{where.smoke('--clean')} removes them"
            )
        sys.stderr.write("\n")
        return INTERRUPTED
    _report(found, trial, options.format)
    return 1 if any_failed(found) else 0


def _before(
    client: bigquery.Client,
    where: Place,
    registry: Registry,
    pubsub: Pubsub,
    options: argparse.Namespace,
) -> Iterator[Finding]:
    """What can be looked at before anything is published."""
    api = None if where.local else google_api.connect(where.project)
    known = deployment.readers(api, where) if api else None
    yield from pubsub.findings(streams=known.is_streaming if known else False)
    try:
        yield from tables.findings(client, where, registry)
    except queries.REFUSALS as error:
        todo = f"ask for roles/bigquery.user on {where.project} and for roles/"
        yield failed(
            "tables", first_line(error), f"{todo}bigquery.dataEditor on {where.dataset}"
        )
    if api and known:
        now = dt.datetime.now(dt.UTC)
        yield from deployment.findings(
            api, where, known, now, impersonate=options.impersonate
        )
    else:
        yield from deployment.local_findings()


def _tell(finding: Finding) -> None:
    """Tells at once what is wrong: the wait for rows may be long."""
    if finding.verdict is Verdict.FAILED:
        line = f"{finding.name}: {finding.verdict}, {printable(finding.seen)}"
        sys.stderr.write(f"{line}\n")


def _report(found: list[Finding], trial: Trial, form: str) -> None:
    if form == "table":
        report.print_table(found)
        return
    facts = {
        "marker": trial.run.marker,
        "published": trial.is_published,
        "seconds_to_first_row": trial.seconds.get("first"),
        "seconds_to_everything": trial.seconds.get("all"),
    }
    document = report.as_json(found, facts)
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def _clean(client: bigquery.Client, where: Place, registry: Registry, form: str) -> int:
    outcome = cleaning.clean(client, where, registry)
    if form == "json":
        sys.stdout.write(json.dumps(asdict(outcome), indent=2) + "\n")
    else:
        sys.stdout.write(f"{outcome.removed} rows of smoke runs removed\n")
        if outcome.streamed:
            sys.stdout.write(
                f"{outcome.streamed} were streamed in lately: the same command removes "
                "them in 30 minutes, in rare cases 90\n"
            )
        for line in outcome.refused:
            sys.stderr.write(f"left: {printable(line)}\n")
    return 1 if outcome.streamed or outcome.refused else 0


def _name(text: str) -> str:
    if not _NAME.match(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name in Pub/Sub")
    return text


def _seconds(text: str) -> float:
    if not (seconds := seconds_in(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no time, as 90s or 15m is")
    return float(seconds)
