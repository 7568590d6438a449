"""The command line of the cost calculator."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from cloud.cost.bill import (
    BRIDGES,
    WRITE_METHODS,
    Bill,
    Tariff,
    drain_bill,
    streaming_bill,
    writing_lines,
)
from cloud.cost.page import Asked, Scenario, answer, cost_page, dollars
from cloud.cost.prices import Price, load_prices
from cloud.cost.quantities import DrainJob, Feed, Worker
from cloud.cost.queries import questions, unprunable
from command.duration import seconds_in
from command.usage import UsageError
from pipeline.registry import load_registry

# Small machines, the smallest first. Dataflow's agreement excludes shared cores.
WORKERS = {
    "n1-standard-1": Worker(Decimal(1), Decimal("3.75")),
    "e2-standard-2": Worker(Decimal(2), Decimal(8)),
    "n1-standard-2": Worker(Decimal(2), Decimal("7.5")),
}
_BRIDGE_WORDS = {"worker-pool": "a worker pool", "vm": "an e2-micro"}
_BACKLOG = "`benchmarks/corpus.py`, generated like the backlog of an earlier system"
# The meaning of each number, and where its default is from.
_FEED = {
    "messages_per_second": ("messages a second, on average",
                            "IRIS sends 0.5 to 3.5 over all datasets"),
    "message_bytes": ("size of the body of a message",
                      f"measured on {_BACKLOG}; IRIS sends 1 to 60 KB"),
    "attribute_bytes": ("size of the attributes of a message",
                        "counted: six attributes, id, time"),
    "records_per_message": ("records in a message; each becomes a row",
                            f"measured on {_BACKLOG}"),
    "row_bytes": ("size of a row in BigQuery",
                  "these records, in the sizes of BigQuery's types"),
    "months_kept": ("months for which rows and archive are kept", "your choice"),
    "datasets_at_once": ("datasets with messages in one interval; each is a file",
                         "not measured: query `COUNT(DISTINCT dataset)` of "
                         "`iris_ledger` over an interval"),
}  # fmt: skip
_JOB = {
    "startup_seconds": ("time of a run without messages", "measured, see below"),
    "seconds_per_message": ("more time for each message", "measured, see below"),
    "minimum_seconds": ("shortest time that is charged for a run",
                        "from memory, not found: Cloud Run charges a minute ⚠"),
    "cpus": ("vCPU of the job", "the value in `templates/terraform`"),
    "memory_gib": ("memory of the job",
                   "the value in `templates/terraform`; 276 MB were used"),
}  # fmt: skip
_FIXED = [
    ("disk of the worker, GiB", "30", "Dataflow's default with Streaming Engine ⚠"),
    ("passes through Streaming Engine", "5", "assumed: read, dedup, archive, rows, "
     "ledger; exactly once is billed by data"),
    ("Streaming Engine units for 1 GiB a second", "58", "Google's benchmark of Pub/Sub "
     "to BigQuery; at least once is billed by units"),
]  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    prices = load_prices()
    where = parser.add_argument_group("where")
    where.add_argument(
        "--region",
        choices=prices.regions,
        default="europe-west2",
        help="region of everything except BigQuery (default: %(default)s, London)",
    )
    where.add_argument(
        "--location",
        choices=prices.locations,
        default="EU",
        help="location of the BigQuery dataset (default: %(default)s)",
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--every",
        action="append",
        metavar="TIME",
        help="interval of a drain, for example 90s, 5m or 1h; may be used several "
        "times (default: 5m and 1h)",
    )
    how.add_argument(
        "--worker",
        choices=WORKERS,
        default="n1-standard-2",
        help="machine type of the Dataflow worker (default: %(default)s)",
    )
    how.add_argument(
        "--bridge",
        choices=BRIDGES,
        default="worker-pool",
        help="a worker pool of Cloud Run, or an e2-micro (default: %(default)s)",
    )
    how.add_argument(
        "--write-method",
        choices=WRITE_METHODS,
        default=WRITE_METHODS[0],
        help="how rows reach BigQuery (default: %(default)s)",
    )
    _add_numbers(parser, "the feed", Feed(), _FEED)
    _add_numbers(parser, "a drain job", DrainJob(), _JOB)
    what = parser.add_argument_group("what to print")
    what.add_argument(
        "--format",
        choices=("table", "json", "markdown"),
        default="table",
        help="markdown is the whole page (default: %(default)s)",
    )
    what.add_argument(
        "--write", type=Path, metavar="FILE", help="write the page to a file"
    )
    what.add_argument(
        "--check",
        action="store_true",
        help="with --write: write nothing; exit code 1 means that FILE is out of date",
    )


def run(options: argparse.Namespace) -> int:
    """Prints the bills, or writes or checks the page.

    Returns:
        0; 1 if a checked page is out of date.

    Raises:
        UsageError: An option must be corrected.
    """
    if options.check and not options.write:
        raise UsageError("--check needs --write FILE: add the page to check")
    if options.write:
        return _written(page(options), options.write, check=options.check)
    bills = bills_of(options)
    texts = {"json": _as_json, "markdown": lambda _: page(options), "table": _as_table}
    print(texts[options.format](bills), end="")
    return 0


def bills_of(options: argparse.Namespace) -> list[Bill]:
    """The bill of every mode of the pipeline, for these inputs.

    Raises:
        UsageError: An input is not a number, or is out of range.
    """
    feed = Feed(**_numbers(options, Feed))
    return _bills(_tariff(options), feed, WORKERS[options.worker], _jobs(options))


def page(options: argparse.Namespace) -> str:
    """The page of these inputs."""
    bills = bills_of(options)
    other = next(bridge for bridge in BRIDGES if bridge != options.bridge)
    others = bills_of(_changed(options, bridge=other))
    writing = writing_lines(_tariff(options), Feed(**_numbers(options, Feed)))
    prices = _prices_of(bills, others)
    return cost_page(
        answer(bills, others, _BRIDGE_WORDS[other]),
        bills,
        list(writing.values()),
        _scenarios(options),
        _inputs(options),
        prices,
        _free_of(prices),
        _asked(Feed(**_numbers(options, Feed))),
    )


def _asked(feed: Feed) -> Asked:
    registry = load_registry()
    asked = questions(feed, len(registry))
    return Asked(asked, len(registry), unprunable(registry), feed.months_kept)


def _tariff(options: argparse.Namespace) -> Tariff:
    return Tariff(
        load_prices(),
        options.region,
        options.location,
        options.bridge,
        options.write_method,
    )


def _bills(
    tariff: Tariff, feed: Feed, worker: Worker, jobs: Sequence[DrainJob]
) -> list[Bill]:
    return [
        streaming_bill(tariff, feed, worker, exactly_once=True),
        streaming_bill(tariff, feed, worker, exactly_once=False),
        *(drain_bill(tariff, feed, job) for job in jobs),
    ]


def _scenarios(options: argparse.Namespace) -> list[Scenario]:
    def scenario(what: str, **changes: Any) -> Scenario:
        return Scenario(what, bills_of(_changed(options, **changes)))

    ten = {
        name: str(10 * Decimal(getattr(options, name)))
        for name in ("message_bytes", "records_per_message")
    }
    return [
        scenario("as above"),
        scenario("0.5 messages a second", messages_per_second="0.5"),
        scenario("3.5 messages a second", messages_per_second="3.5"),
        scenario("messages ten times as large", **ten),
        scenario("5 years kept", months_kept="60"),
        scenario("the bridge on an e2-micro", bridge="vm"),
        scenario("rows through the Storage Write API",
                 write_method="STORAGE_WRITE_API"),
        scenario("BigQuery in London, as in `templates/terraform`",
                 location="europe-west2"),
        scenario("an n1-standard-1 as worker", worker="n1-standard-1"),
        scenario("Belgium (europe-west1)", region="europe-west1"),
        scenario("Iowa (us-central1), BigQuery in US", region="us-central1",
                 location="US"),
    ]  # fmt: skip


def _changed(options: argparse.Namespace, **changes: Any) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(options), **changes})


def _inputs(options: argparse.Namespace) -> list[tuple[str, str, str]]:
    chosen = [
        ("`--region`", options.region, "your choice"),
        ("`--location`", options.location, "the default of `sql apply`"),
        ("`--bridge`", options.bridge, "your choice"),
        (
            "`--worker`",
            options.worker,
            "the default of `python -m cloud launch`",
        ),
    ]
    numbers = [
        (f"`{_flag(name)}`", f"{Decimal(getattr(options, name)):f}", source)
        for name, (_, source) in (_FEED | _JOB).items()
    ]
    return [*chosen, *numbers, *_FIXED]


def _prices_of(*bills: Sequence[Bill]) -> list[Price]:
    """The prices that these bills use, each once, in the order of the file."""
    used = {
        line.price
        for each in bills
        for bill in each
        for line in bill.lines
        if not line.is_free_tier
    }
    order = load_prices().names()
    return sorted(used, key=lambda price: (order.index(price.name), price.area))


def _free_of(prices: Sequence[Price]) -> list[Price]:
    """The free tiers of these prices, if they have one."""
    listed = load_prices()
    found = (listed.free(price.name, price.area) for price in prices)
    return [free for free in found if free]


def _as_table(bills: Sequence[Bill]) -> str:
    width = max(len(line.what) for bill in bills for line in bill.lines)
    text = []
    for bill in bills:
        text.append(f"{bill.title}\n")
        text += [
            f"  {line.what:<{width}}  {dollars(line.usd):>9}\n" for line in bill.lines
        ]
        text.append(f"  {'a month':<{width}}  {dollars(bill.usd):>9}\n\n")
    text.append("US dollars, list prices; docs/cost.md shows the calculation\n")
    return "".join(text)


def _as_json(bills: Sequence[Bill]) -> str:
    content = [
        {
            "title": bill.title,
            "usd": str(bill.usd),
            "list_usd": str(bill.list_usd),
            "lines": [
                {
                    "what": line.what,
                    "quantity": str(line.quantity),
                    "unit": line.price.unit,
                    "usd_per_unit": str(line.price.usd),
                    "usd": str(line.usd),
                    "checked": line.price.is_checked,
                    "page": line.price.page,
                }
                for line in bill.lines
            ],
        }
        for bill in bills
    ]
    return json.dumps({"currency": "USD", "bills": content}, indent=2) + "\n"


def _written(text: str, path: Path, *, check: bool) -> int:
    try:
        if check:
            if path.exists() and path.read_text(encoding="utf-8") == text:
                return 0
            print(
                f"{path} is out of date: run `python -m cloud cost --write {path}`",
                file=sys.stderr,
            )
            return 1
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}: use --write with a file that can be written"
        ) from error
    print(path)
    return 0


def _add_numbers(
    parser: argparse.ArgumentParser,
    title: str,
    defaults: Feed | DrainJob,
    texts: dict[str, tuple[str, str]],
) -> None:
    group = parser.add_argument_group(title)
    for name, (meaning, _) in texts.items():
        default = f"{getattr(defaults, name):f}"
        help_text = f"{meaning} (default: {default})"
        group.add_argument(_flag(name), default=default, metavar="N", help=help_text)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _numbers(
    options: argparse.Namespace, kind: type[Feed | DrainJob]
) -> dict[str, Decimal]:
    names = [each.name for each in fields(kind) if each.name != "every_seconds"]
    return {name: _number(_flag(name), getattr(options, name)) for name in names}


def _number(flag: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise UsageError(f"{flag} must be a number, not {text!r}") from None
    if not value.is_finite() or not 0 <= value < 10**12:
        raise UsageError(f"{flag} must be a number from 0 to below 10^12, not {text!r}")
    return value


def _jobs(options: argparse.Namespace) -> list[DrainJob]:
    job = DrainJob(**_numbers(options, DrainJob))
    return [
        replace(job, every_seconds=_seconds(text))
        for text in options.every or ("5m", "1h")
    ]


def _seconds(text: str) -> Decimal:
    # Cloud Scheduler starts a job once a minute at most.
    if not (seconds := seconds_in(text)) or seconds < 60:
        raise UsageError(
            f"--every must be a minute or more, for example 90s or 5m, not {text!r}"
        )
    return seconds
