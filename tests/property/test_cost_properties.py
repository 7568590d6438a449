"""Properties of the bill: more never costs less, and free never gives money back."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from cloud.cost.bill import (
    BRIDGES,
    WRITE_METHODS,
    Tariff,
    drain_bill,
    streaming_bill,
    total_usd,
)
from cloud.cost.prices import load_prices
from cloud.cost.quantities import DrainJob, Feed, Worker

PRICES = load_prices()
# Decimals have 28 digits, and the last ones depend on the order of a sum.
NOTHING = Decimal("1e-12")
WORKER = Worker(Decimal(1), Decimal("3.75"))


def decimals(low, high):
    return st.decimals(low, high, places=3)


tariffs = st.builds(
    Tariff,
    st.just(PRICES),
    st.sampled_from(PRICES.regions),
    st.sampled_from(PRICES.locations),
    st.sampled_from(BRIDGES),
    st.sampled_from(WRITE_METHODS),
)
feeds = st.builds(
    Feed,
    messages_per_second=decimals(0, 1000),
    message_bytes=decimals(0, 10**7),
    attribute_bytes=decimals(0, 2000),
    records_per_message=decimals(0, 5000),
    row_bytes=decimals(0, 10**5),
    months_kept=decimals(0, 240),
    datasets_at_once=decimals(0, 89),
)
jobs = st.builds(DrainJob, every_seconds=decimals(60, 604_800))
amounts = st.sampled_from(
    ["messages_per_second", "message_bytes", "records_per_message", "months_kept"]
)


def bills(tariff, feed, job):
    return [
        streaming_bill(tariff, feed, WORKER, exactly_once=True),
        streaming_bill(tariff, feed, WORKER, exactly_once=False),
        drain_bill(tariff, feed, job),
    ]


@given(tariffs, feeds, jobs, amounts, decimals(0, 1000))
def test_more_of_anything_never_costs_less(tariff, feed, job, name, more):
    larger = replace(feed, **{name: getattr(feed, name) + more})
    for before, after in zip(
        bills(tariff, feed, job), bills(tariff, larger, job), strict=True
    ):
        assert after.usd >= before.usd - NOTHING
        assert after.list_usd >= before.list_usd - NOTHING


@given(tariffs, feeds, jobs)
def test_a_free_tier_takes_off_no_more_than_its_lines(tariff, feed, job):
    for bill in bills(tariff, feed, job):
        for line in bill.lines:
            if line.is_free_tier:
                paid = total_usd(
                    each
                    for each in bill.lines
                    if each.price.name == line.price.name and not each.is_free_tier
                )
                assert 0 <= -line.usd <= paid
        assert 0 <= bill.usd <= bill.list_usd + NOTHING


@given(tariffs, feeds, jobs)
def test_the_total_is_the_sum_of_the_lines(tariff, feed, job):
    for bill in bills(tariff, feed, job):
        paid = [line for line in bill.lines if not line.is_free_tier]
        free = [line for line in bill.lines if line.is_free_tier]
        off = bill.usd - (total_usd(paid) + total_usd(free))
        assert abs(off) < NOTHING
        assert bill.list_usd == total_usd(paid)
        assert all(line.quantity for line in bill.lines)
