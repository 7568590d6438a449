"""The command line of the smoke test."""

import argparse
import datetime as dt
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict

from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery

from cloud.credentials import no_credentials
from cloud.deployment import (
    SUBSCRIPTION,
    TOPIC,
    Deployment,
    region_name,
    uses_local_servers,
)
from cloud.smoke import (
    cleaning,
    google_api,
    google_checks,
    pruning,
    queries,
    report,
    tables,
)
from cloud.smoke.findings import Finding, Verdict, any_failed, failed
from cloud.smoke.messages import Run, new_run
from cloud.smoke.pubsub import Pubsub
from cloud.smoke.trial import Trial
from command.duration import seconds_in
from command.text import first_line, printable
from command.usage import INTERRUPTED
from pipeline.registry import Registry, load_registry
from sql.connection import add_path_options, client_of

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._~+%-]{2,254}\Z")  # Pub/Sub's own rule

_DESCRIPTION = """\
Publishes seven messages to the topic of a deployment, as the bridge does, waits until
its pipeline has written their rows, and checks topic, subscription, tables, views, what
a question of one day reads, permissions, alerts, APIs and quotas. For each check it
reports what it found and what to do.

The messages are marked SMOKE-<time>-<random>. Their day is four years ago, their values
are 0, and their BM unit, fuel and data provider have that name. Their rows are removed
at the end, or by --clean: BigQuery can remove streamed rows after 30 minutes, in rare
cases 90. The ledger keeps the counts, and the raw archive keeps the messages.
"""
_EPILOG = """\
With BIGQUERY_EMULATOR_HOST and PUBSUB_EMULATOR_HOST it checks local servers.

exit codes: 0 no check failed ("not known" is not a failure), 1 a check failed, or rows
are left after --clean, 2 an option must be corrected, 130 stopped with Ctrl-C
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    add_path_options(parser)
    parser.add_argument(
        "--region",
        type=region_name,
        help="where the drain job and Dataflow run; without it they are not checked",
    )
    for name, usual in (("topic", TOPIC), ("subscription", SUBSCRIPTION)):
        parser.add_argument(
            f"--{name}",
            type=_name,
            default=usual,
            metavar="NAME",
            help=f"the name of the {name}, without the project (default: %(default)s)",
        )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default="15m",
        metavar="TIME",
        help="wait for rows this long, for example 90s (default: %(default)s)",
    )
    parser.add_argument(
        "--run-drain",
        action="store_true",
        help="run a drain on this machine, with your credentials: every message that "
        "waits in the subscription becomes rows",
    )
    parser.add_argument(
        "--impersonate",
        action="store_true",
        help="ask for permissions as each service account, if you may "
        "(roles/iam.serviceAccountTokenCreator); this is more exact than policies",
    )
    parser.add_argument(
        "--clean",
        action="store_true",
        help="only remove the rows that earlier runs left",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print what it would publish, and where; needs no credentials",
    )
    parser.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="table for a reader, json for a program (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Tries a deployment, and reports.

    Raises:
        UsageError: There are no credentials, or the environment names only one of the
            two local servers.
    """
    deployment = Deployment(
        options.project,
        options.region,
        options.dataset,
        options.topic,
        options.subscription,
        local=uses_local_servers(),
    )
    registry = load_registry()
    if options.dry_run:
        return _show(deployment, new_run())
    try:
        client = client_of(options)
        if options.clean:
            return _clean(client, deployment, registry, options.format)
        return _try(client, deployment, registry, options)
    except GoogleAuthError as error:
        raise no_credentials(error) from None


def _show(deployment: Deployment, run: Run) -> int:
    """Prints what a run would publish."""
    print(f"would publish to {deployment.topic_path}:")
    for message in run.messages:
        print(f"{message.message_id}  {len(message.data)} bytes, {message.what}")
    print(
        f"would wait for their rows in {deployment.tables}, check what is around them, "
        "and remove them"
    )
    return 0


def _try(
    client: bigquery.Client,
    deployment: Deployment,
    registry: Registry,
    options: argparse.Namespace,
) -> int:
    trial = Trial(
        client,
        deployment,
        registry,
        new_run(),
        options.timeout,
        run_drain=options.run_drain,
    )
    found: list[Finding] = []
    try:
        with Pubsub(deployment) as pubsub:
            for finding in _before(client, deployment, registry, pubsub, options):
                found.append(finding)
                _report_failure(finding)
            found += trial.findings(pubsub, found)
    except KeyboardInterrupt:
        in_flight = (
            f"; messages of {trial.run.marker} are in flight. When they are rows, "
            f"remove them: {deployment.smoke('--clean')}"
        )
        print(f"stopped{in_flight if trial.is_published else ''}", file=sys.stderr)
        return INTERRUPTED
    _report(found, trial, options.format)
    return 1 if any_failed(found) else 0


def _before(
    client: bigquery.Client,
    deployment: Deployment,
    registry: Registry,
    pubsub: Pubsub,
    options: argparse.Namespace,
) -> Iterator[Finding]:
    """Everything that can be checked before messages are published."""
    api = None if deployment.local else google_api.connect(deployment.project)
    known = google_checks.readers(api, deployment) if api else None
    yield from pubsub.findings(streams=known.is_streaming if known else False)
    try:
        yield from tables.findings(client, deployment, registry)
        yield from pruning.findings(client, deployment, registry, _today())
    except queries.REFUSALS as error:
        yield failed(
            "tables",
            first_line(error),
            f"ask for roles/bigquery.user on {deployment.project} and for "
            f"roles/bigquery.dataEditor on {deployment.dataset}",
        )
    if api and known:
        now = dt.datetime.now(dt.UTC)
        yield from google_checks.findings(
            api, deployment, known, now, impersonate=options.impersonate
        )
    else:
        yield from google_checks.local_findings()


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def _report_failure(finding: Finding) -> None:
    """Prints a failure at once: the wait for rows may be long."""
    if finding.verdict is Verdict.FAILED:
        line = f"{finding.name}: {finding.verdict}, {printable(finding.seen)}"
        print(line, file=sys.stderr)


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
    print(json.dumps(document, ensure_ascii=False, indent=2))


def _clean(
    client: bigquery.Client, deployment: Deployment, registry: Registry, form: str
) -> int:
    outcome = cleaning.clean(client, deployment, registry)
    if form == "json":
        print(json.dumps(asdict(outcome), indent=2))
    else:
        print(f"{outcome.removed} rows of smoke runs were removed")
        if outcome.streamed:
            print(
                f"{outcome.streamed} were streamed recently: run this command again in "
                "30 minutes, in rare cases 90"
            )
        for line in outcome.refused:
            print(f"not removed: {printable(line)}", file=sys.stderr)
    return 1 if outcome.streamed or outcome.refused else 0


def _name(text: str) -> str:
    if not _NAME.match(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a Pub/Sub name: use it without projects/ID/, "
            "for example iris-messages"
        )
    return text


def _seconds(text: str) -> float:
    if not (seconds := seconds_in(text)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time: use for example 90s or 15m"
        )
    return float(seconds)
