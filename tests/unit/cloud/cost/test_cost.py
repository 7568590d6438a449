"""What a month costs: arithmetic by hand, the command, and the page."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from cloud.__main__ import main
from cloud.cost import command as cost
from cloud.cost import quantities
from cloud.cost.bill import (
    BRIDGE_CPUS,
    BRIDGE_MEMORY_GIB,
    BRIDGES,
    Tariff,
    drain_bill,
    streaming_bill,
    writing_lines,
)
from cloud.cost.command import WORKERS, configure, run
from cloud.cost.page import amount, dollars
from cloud.cost.prices import load_prices
from cloud.cost.quantities import DrainJob, Feed, Worker
from cloud.cost.queries import questions, unprunable
from command.tables_path import TablesPath
from command.usage import OneLineParser
from pipeline.registry import load_registry
from sql.views.latest import latest_view

PAGE = Path(__file__).parents[4] / "docs" / "cost.md"
MODULES = Path(__file__).parents[4] / "templates" / "terraform" / "modules"
PRICES = load_prices()
LONDON = Tariff(PRICES, "europe-west2", "EU", "worker-pool")
# Round numbers: 1 message a second of 1,000 bytes in all, 2 rows of 500 bytes each.
FEED = Feed(
    messages_per_second=Decimal(1),
    message_bytes=Decimal(800),
    attribute_bytes=Decimal(200),
    records_per_message=Decimal(2),
    row_bytes=Decimal(500),
    months_kept=Decimal(5),
    datasets_at_once=Decimal(10),
)
JOB = DrainJob(
    every_seconds=Decimal(600),
    startup_seconds=Decimal(40),
    seconds_per_message=Decimal("0.1"),
)
WORKER = Worker(Decimal(2), Decimal(8))


def options(*arguments):
    parser = OneLineParser(prog="cost")
    configure(parser)
    return parser.parse_args(arguments)


def lines(bill):
    return {line.what: (line.quantity, line.usd) for line in bill.lines}


# 730 hours are 2,628,000 s. Each expected number is worked out in the comment.
@pytest.mark.parametrize(
    ("what", "quantity", "usd"),
    [
        # 2,628,000 / 600 = 4,380 runs of 40 + 600 x 0.1 = 100 s; 438,000 x 0.0000216
        ("drain job, vCPU", "438000", "9.4608"),
        # the same seconds, 2 GiB, x 0.0000024
        ("drain job, memory", "876000", "2.1024"),
        ("Cloud Scheduler", "1", "0.10"),
        # 2,628,000 s x 1 vCPU x 0.0000134928
        ("bridge, vCPU", "2628000", "35.4590784"),
        # 2,628,000 s x 1 GiB x 0.000001482
        ("bridge, memory", "2628000", "3.894696"),
        # 43,800 minutes x 3 / 1,000 x 0.005
        ("bridge, saved position", "131.4", "0.657"),
        # 2 x 2,628,000 x 1,000 / 2^40 = 0.00478030 TiB x 40
        ("Pub/Sub, publish and deliver", "0.00478030", "0.19121217"),
        # 5,256,000 rows x 1,024 / (200 x 2^20) = 25.6640625 x 0.01
        ("BigQuery, streaming inserts", "25.6640625", "0.256640625"),
        # 5,256,000 x 500 / 2^30 = 2.44751573 GiB a month, x 3 months x 0.02
        ("BigQuery, active storage", "7.34254718", "0.14685094"),
        # the same, x 2 months x 0.01
        ("BigQuery, long-term storage", "4.89503145", "0.04895031"),
        # 2,628,000,000 x 5 / 2^30 = 12.23757863 x 0.023
        ("raw archive", "12.23757863", "0.28146431"),
        # 4,380 intervals x 10 files x 2 operations / 1,000 = 87.6 x 0.005
        ("raw archive, writing", "87.6", "0.438"),
        # 2 GiB x 0.10; 12 x 0.10; 0.2 GiB x 0.50
        ("container images", "2", "0.2"),
        ("secret", "1", "0.06"),
        ("alerts", "12", "1.2"),
        ("logs", "0.2", "0.1"),
        # 240,000 x 0.000018 and 450,000 x 0.000002: at the prices of tier 1
        ("free: drain job, vCPU", "-240000", "-4.32"),
        ("free: drain job, memory", "-450000", "-0.9"),
        # less than 10 GiB of either is used: nothing is left of it
        ("free: Pub/Sub, publish and deliver", "-0.00478030", "-0.19121217"),
        ("free: BigQuery, active storage", "-7.34254718", "-0.14685094"),
        ("free: container images", "-0.5", "-0.05"),
    ],
)
def test_a_line_of_a_drain_by_hand(what, quantity, usd):
    found = lines(drain_bill(LONDON, FEED, JOB))[what]
    assert [round(each, 8) for each in found] == [
        round(Decimal(quantity), 8),
        round(Decimal(usd), 8),
    ]


@pytest.mark.parametrize(
    ("what", "quantity", "usd"),
    [
        # 2 x 730 x 0.0889
        ("worker, vCPU", "1460", "129.794"),
        # 8 x 730 x 0.004581
        ("worker, memory", "5840", "26.75304"),
        # 30 x 730 x 0.0000696
        ("worker, disk", "21900", "1.52424"),
        # 2,628,000,000 x 5 / 2^30 = 12.23757863 x 0.0232
        ("Streaming Engine, data", "12.23757863", "0.28391182"),
        # every 600 s: as with the drain above
        ("raw archive, writing", "87.6", "0.438"),
    ],
)
def test_a_line_of_a_stream_by_hand(what, quantity, usd):
    bill = streaming_bill(LONDON, FEED, WORKER, exactly_once=True)
    found = lines(bill)[what]
    assert [round(each, 8) for each in found] == [
        round(Decimal(quantity), 8),
        round(Decimal(usd), 8),
    ]


def test_a_stream_at_least_once_pays_units_by_hand():
    # 1,000 / 2^30 GiB a second x 58 x 730 = 0.03943235 x 0.1146
    bill = streaming_bill(LONDON, FEED, WORKER, exactly_once=False)
    quantity, usd = lines(bill)["Streaming Engine, units"]
    assert (round(quantity, 6), round(usd, 6)) == (
        Decimal("0.039432"),
        Decimal("0.004519"),
    )
    assert "Streaming Engine, data" not in lines(bill)


def test_a_bridge_on_a_vm_by_hand():
    # 730 x 0.010789; 10 x 0.048; 730 x 0.005
    found = lines(drain_bill(LONDON._replace(bridge="vm"), FEED, JOB))
    assert found["bridge, e2-micro"][1] == Decimal("7.87597")
    assert found["bridge, disk"][1] == Decimal("0.480")
    assert found["bridge, address"][1] == Decimal("3.650")
    assert "bridge, vCPU" not in found


def test_the_storage_write_api_by_hand():
    # 2.44751573 GiB x 0.025, and nothing up to 2 TiB
    tariff = LONDON._replace(write_method="STORAGE_WRITE_API")
    found = lines(drain_bill(tariff, FEED, JOB))
    assert round(found["BigQuery, Storage Write API"][1], 8) == Decimal("0.06118789")
    free = found["free: BigQuery, Storage Write API"][1]
    assert free == -found["BigQuery, Storage Write API"][1]
    assert "BigQuery, streaming inserts" not in found


@pytest.mark.parametrize(
    ("file", "cpus", "memory_gib"),
    [
        ("bridge/worker_pool.tf", BRIDGE_CPUS, BRIDGE_MEMORY_GIB),
        ("scheduled_job/main.tf", DrainJob().cpus, DrainJob().memory_gib),
    ],
)
def test_what_is_paid_for_is_what_terraform_creates(file, cpus, memory_gib):
    text = (MODULES / file).read_text()
    [limits] = re.findall(r'cpu += "(\d+)"\s+memory += "(\d+)Gi"', text)
    assert limits == (str(cpus), str(memory_gib))


def test_a_free_tier_is_for_all_lines_of_a_price_together():
    iowa = Tariff(PRICES, "us-central1", "US", "worker-pool")
    found = lines(drain_bill(iowa, FEED, JOB))
    free = "free: bridge, saved position and raw archive, writing"
    assert found[free][0] == -5
    assert "free: raw archive, writing" not in found


def test_a_run_of_any_length_has_a_price():
    much = "999999999999"
    inputs = [f"--messages-per-second={much}", f"--seconds-per-message={much}"]
    assert main(["cost", *inputs]) == 0


def test_load_jobs_are_free():
    tariff = LONDON._replace(write_method="FILE_LOADS")
    written = {"BigQuery, streaming inserts", "BigQuery, Storage Write API"}
    assert not written & set(lines(drain_bill(tariff, FEED, JOB)))


def test_a_vm_in_iowa_is_free():
    iowa = Tariff(PRICES, "us-central1", "US", "vm")
    found = lines(drain_bill(iowa, FEED, JOB))
    assert found["free: bridge, e2-micro"][1] == -found["bridge, e2-micro"][1]


def test_a_short_run_is_charged_for_a_minute():
    job = DrainJob(every_seconds=Decimal(300))
    assert quantities.drain_run_seconds(FEED, job) == 60


def test_a_run_is_charged_in_tenths_of_a_second():
    job = DrainJob(startup_seconds=Decimal("70.01"), seconds_per_message=Decimal(0))
    assert quantities.drain_run_seconds(FEED, job) == Decimal("70.1")


def test_a_small_message_counts_for_a_thousand_bytes_on_pubsub():
    small = Feed(message_bytes=Decimal(1), attribute_bytes=Decimal(1))
    least = Feed(message_bytes=Decimal(900), attribute_bytes=Decimal(100))
    assert quantities.pubsub_tib(small) == quantities.pubsub_tib(least)


def test_a_backlog_is_free_for_a_day():
    # Every 2 days: the first day is free, the second is half full on average. Over the
    # interval: 86,400^2 / (2 x 172,800) = 21,600 s of 1,000 bytes a second.
    assert quantities.old_backlog_gib(FEED, Decimal(86_400)) == 0
    assert quantities.old_backlog_gib(FEED, Decimal(172_800)) == Decimal(
        21_600_000
    ) / Decimal(2**30)


def test_no_more_files_are_written_than_messages_arrived():
    slow = Feed(messages_per_second=Decimal("0.01"))
    few = quantities.archive_thousand_operations(slow, Decimal(60))
    assert few == quantities.messages(slow) * 2 / 1000


@pytest.mark.parametrize("region", PRICES.regions)
@pytest.mark.parametrize("location", PRICES.locations)
@pytest.mark.parametrize("bridge", BRIDGES)
def test_every_region_has_every_price(region, location, bridge):
    tariff = Tariff(PRICES, region, location, bridge)
    for exactly_once in (True, False):
        assert streaming_bill(tariff, FEED, WORKER, exactly_once=exactly_once).usd > 0
    assert drain_bill(tariff, FEED, JOB).usd > 0
    assert all(line.usd > 0 for line in writing_lines(tariff, FEED).values())


def test_every_price_says_where_it_is_from():
    for name in PRICES.names():
        for area in (*PRICES.regions, *PRICES.locations):
            try:
                price = PRICES.price(name, area)
            except KeyError:
                continue
            assert price.usd > 0
            assert price.page.startswith("https://cloud.google.com/")
            assert price.is_checked or price.note, (name, area)


def test_the_committed_page_is_what_the_calculator_writes():
    # Not `assert a == b`: a whole page in a failure is no help.
    if run(options("--write", str(PAGE), "--check")):
        pytest.fail("run `python -m cloud cost --write docs/cost.md`")


def test_the_page_begins_with_the_answer():
    text = cost.page(options())
    first = text.split("\n\n")[2].splitlines()
    assert [line.split(":")[0] for line in first] == [
        "- Streaming on Dataflow, exactly once",
        "- A drain every 5 minutes",
        "- A drain every hour",
    ]
    assert all(line.count("$") == 3 for line in first)


def test_a_price_that_was_not_seen_is_marked_wherever_it_is_used():
    for row in cost.page(options()).splitlines():
        if row.startswith("| worker, vCPU"):
            assert "⚠" in row
        if row.startswith("| secret |"):
            assert "⚠" not in row


def test_json_has_the_exact_sum_of_its_lines(capsys):
    assert run(options("--format", "json", "--every", "10m")) == 0
    bills = json.loads(capsys.readouterr().out)["bills"]
    assert [bill["title"] for bill in bills][-1] == "a drain every 10 minutes"
    for bill in bills:
        total = sum(Decimal(line["usd"]) for line in bill["lines"])
        assert total == Decimal(bill["usd"])


def test_a_table_shows_each_line(capsys):
    assert run(options("--worker", "e2-standard-2")) == 0
    shown = capsys.readouterr().out
    bill = streaming_bill(LONDON, Feed(), WORKERS["e2-standard-2"], exactly_once=True)
    for line in bill.lines:
        assert f"  {line.what} " in shown
        assert dollars(line.usd) in shown


def test_check_notices_a_page_that_is_out_of_date(tmp_path, capsys):
    page = tmp_path / "cost.md"
    given = ("--every", "7m", "--write", str(page))
    assert run(options(*given, "--check")) == 1
    assert run(options(*given)) == 0
    assert run(options(*given, "--check")) == 0
    page.write_text("old")
    assert run(options(*given, "--check")) == 1
    assert "is out of date" in capsys.readouterr().err
    assert page.read_text() == "old"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--message-bytes", "many"),
        ("--message-bytes", "-1"),
        ("--months-kept", "NaN"),
        ("--rows", "1"),
        ("--every", "5x"),
        ("--every", "30s"),
        ("--region", "mars"),
        ("--check",),
        ("--write", "/nowhere/at/all.md"),
    ],
)
def test_a_mistake_is_one_line(arguments, capsys):
    try:
        code = main(["cost", *arguments])
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("usd", "text"),
    [("0.005", "$0.01"), ("-0.391", "-$0.39"), ("1234.5", "$1,234.50"),
     ("-0.001", "$0.00")],
)  # fmt: skip
def test_dollars_for_a_reader(usd, text):
    assert dollars(Decimal(usd)) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [("2628000", "2,628,000"), ("0.0000134928", "0.00001349"), ("40", "40")],
)
def test_a_quantity_for_a_reader(number, text):
    assert amount(Decimal(number)) == text


def test_ten_charts_that_cannot_prune_by_hand():
    """2 messages a second, 4.6 records each, 195 bytes, 12 months, 89 datasets."""
    rows = Decimal(2) * 730 * 3600 * Decimal("4.6") * 12
    of_one = rows * 195 * Decimal("0.65") / 89
    charts = {question.what: question for question in questions(Feed(), 89)}
    found = [
        question
        for question in questions(Feed(), 89)
        if question.times == 8760 and question.read_bytes > 10**9
    ]
    [dear] = found
    assert round(dear.read_bytes) == round(10 * of_one)
    assert round(dear.usd, 2) == round(10 * of_one * 8760 / 2**40 * Decimal("6.25"), 2)
    cheap = charts["ten charts every five minutes: views that prune"]
    assert cheap.read_bytes == 10 * 10 * 2**20


def test_the_views_that_cannot_prune_are_those_whose_sql_says_so():
    registry = load_registry()
    path = TablesPath("project", "dataset")
    says = {
        name
        for name, dataset in registry.items()
        if "The partition column is not part of the key"
        in str(latest_view(dataset, path, ()))
    }
    assert set(unprunable(registry)) == says
    assert says
