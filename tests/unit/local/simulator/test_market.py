"""The demo's market: signs, sums and envelopes of a day, whatever the seed."""

import itertools
import statistics
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.simulator.market.acceptances import acceptances
from local.simulator.market.demand import mean_demand, required
from local.simulator.market.dispatch import (
    SAMPLE_SECONDS,
    generation,
    level,
    mean_generation,
    plan,
)
from local.simulator.market.frequency import frequency
from local.simulator.market.instants import day_and_period, half_hours_of, midnight
from local.simulator.market.outages import available, known_outages, outage
from local.simulator.market.prices import index_price, pairs, takes_part
from local.simulator.market.records import balancing, capacity, outturn, physical
from local.simulator.market.settlement import adjustments, settlement
from local.simulator.market.units import (
    BATTERY,
    FUELS,
    INTERCONNECTORS,
    PARTIES,
    UNITS,
    UNITS_OF,
)

SEEDS = st.integers(1, 1_000)
# Any half-hour of 2025 to 2027.
HALF_HOURS = st.integers(964_224, 964_224 + 3 * 365 * 48)
WINTER = half_hours_of(date(2026, 1, 14))
SUMMER = half_hours_of(date(2026, 6, 10))
few = settings(max_examples=40, deadline=None)


@few
@given(SEEDS, HALF_HOURS)
def test_generation_and_imports_meet_demand(seed, number):
    at = number * 1800
    assert sum(generation(seed, at).values()) == round(required(seed, at))
    indo = outturn.national_demand(seed, number)
    assert abs(indo - mean_demand(seed, number)) < 0.03 * indo


@few
@given(SEEDS, HALF_HOURS)
def test_fuels_stay_within_their_envelopes(seed, number):
    values = mean_generation(seed, number)
    assert set(values) == set(FUELS)
    assert values["COAL"] == values["OIL"] == 0
    assert 900 <= values["CCGT"] <= 26_000
    assert 1_500 <= values["NUCLEAR"] <= 5_000
    assert 0 <= values["WIND"] <= 17_500
    assert 400 <= values["BIOMASS"] <= 3_000
    assert 0 <= values["NPSHYD"] <= 900
    assert 0 <= values["OTHER"] <= 1_800
    assert -2_500 <= values["PS"] <= 2_500
    for link in INTERCONNECTORS:
        (unit,) = UNITS_OF[link]
        assert -unit.capacity <= values[link] <= unit.capacity


@few
@given(SEEDS, HALF_HOURS)
def test_demand_and_price_stay_within_their_envelopes(seed, number):
    assert 14_000 < mean_demand(seed, number) < 48_000
    assert outturn.transmission_demand(seed, number) >= outturn.national_demand(
        seed, number
    )
    assert -110 < index_price(seed, number) < 260


def test_a_winter_evening_needs_twice_a_summer_night():
    evening = mean_demand(2026, WINTER[35])
    night = mean_demand(2026, SUMMER[6])
    assert 36_000 < evening < 46_000
    assert 17_000 < night < 22_500


def test_storage_pumps_at_night_and_generates_in_the_evening():
    for day in (WINTER, SUMMER):
        assert mean_generation(2026, day[6])["PS"] < -800
        assert mean_generation(2026, day[36])["PS"] > 300


@settings(max_examples=8, deadline=None)  # each makes the plans of a day
@given(SEEDS, st.integers(20_089, 20_089 + 3 * 365))
def test_storage_never_empties_more_in_a_day_than_it_filled(seed, day):
    numbers = range(48 * day, 48 * (day + 1))
    for unit in (*UNITS_OF[BATTERY], *UNITS_OF["PS"]):
        levels = [level(seed, unit, number) for number in numbers]
        filled = -sum(mw for mw in levels if mw < 0)
        emptied = sum(mw for mw in levels if mw > 0)
        assert emptied <= 0.86 * filled + 24, unit.name


def test_fuelhh_is_the_mean_of_fuelinst():
    first = WINTER[10] * 1800
    samples = [generation(2026, first + n * SAMPLE_SECONDS) for n in range(6)]
    for record in outturn.fuelhh(2026, first, first + 1800):
        mean = statistics.mean(sample[record["fuelType"]] for sample in samples)
        assert abs(record["generation"] - mean) <= 0.5


@few
@given(SEEDS, HALF_HOURS)
def test_positions_of_wind_farms_add_up_to_wind(seed, number):
    notified = sum(level(seed, unit, number) for unit in UNITS_OF["WIND"])
    wind = generation(seed, number * 1800)["WIND"]
    assert abs(notified - wind) <= 0.03 * notified + 5 or plan(seed, number).surplus


@few
@given(SEEDS, HALF_HOURS)
def test_units_keep_to_their_limits(seed, number):
    at = number * 1800
    exports = physical.mels(seed, UNITS, at, at - 3600)
    imports = physical.mils(seed, UNITS, at, at - 3600)
    for unit, up, down in zip(UNITS, exports, imports, strict=True):
        assert down["levelFrom"] <= 0 <= up["levelFrom"] <= unit.capacity
        assert down["levelFrom"] <= level(seed, unit, number) <= up["levelFrom"]
        if unit.fuel not in ("PS", BATTERY, *INTERCONNECTORS):
            assert level(seed, unit, number) >= 0


def test_batteries_and_pumped_storage_have_positions_of_both_signs():
    for fuel in (BATTERY, "PS"):
        for unit in UNITS_OF[fuel][:4]:
            levels = [level(2026, unit, number) for number in WINTER]
            assert min(levels) < 0 < max(levels)


def test_some_units_have_no_elexon_name_and_prefixes_vary():
    names = [unit.elexon_name for unit in UNITS]
    assert None in names
    assert {name.split("_")[0] for name in names if name} == {"T", "E", "2", "V", "I"}
    assert len({unit.name for unit in UNITS}) == len(UNITS)
    assert {unit.party for unit in UNITS} == set(PARTIES)


def test_positions_follow_one_another_without_a_gap():
    records = [
        record
        for number in WINTER
        for record in physical.pn(2026, UNITS[:40], number * 1800)
    ]
    by_unit = {}
    for record in records:
        by_unit.setdefault(record["nationalGridBmUnit"], []).append(record)
    for pieces in by_unit.values():
        for one, following in itertools.pairwise(pieces):
            assert one["timeTo"] == following["timeFrom"]
            assert one["levelTo"] == following["levelFrom"]


@few
@given(SEEDS, HALF_HOURS)
def test_prices_rise_with_the_pair(seed, number):
    for unit in UNITS:
        found = pairs(seed, unit, number)
        assert bool(found) == takes_part(unit)
        for pair in found:
            assert pair.bid <= pair.offer
            assert pair.number * pair.level > 0
        for lower, higher in itertools.pairwise(found):
            assert lower.number < higher.number
            assert lower.bid <= higher.bid
            assert lower.offer <= higher.offer


def test_wind_farms_bid_below_zero():
    for unit in UNITS_OF["WIND"]:
        assert pairs(2026, unit, WINTER[0])[0].bid < 0


@few
@given(SEEDS, HALF_HOURS)
def test_acceptances_begin_at_the_position_and_keep_their_volume(seed, number):
    made = acceptances(seed, number)
    for one in made:
        assert one.accepted < number * 1800 + one.segments[0].start * 60
        assert one.segments[-1].end <= 30
        for piece, following in itertools.pairwise(one.segments):
            assert piece.end == following.start
            assert piece.level_to == following.level_from
        assert one.segments[-1].level_to == level(seed, one.unit, number)
    ordered = sorted(made, key=lambda one: (one.unit.index, one.number))
    for _, mine in itertools.groupby(ordered, key=lambda one: one.unit):
        first, *later = mine
        assert first.segments[0].level_from == level(seed, first.unit, number)
        for one in (first, *later):
            assert one.volume == pytest.approx(measured(seed, one, first))


def measured(seed, acceptance, first):
    """The volume by the minute: the asked level less the one before, MWh."""
    usual = level(seed, acceptance.unit, acceptance.half_hour)
    begin, end = acceptance.segments[0].start, acceptance.segments[-1].end

    def before(minute):
        return usual if acceptance is first else at(first, minute)

    moved = [at(acceptance, m) - before(m) for m in range(begin, end + 1)]
    return sum((a + b) / 2 for a, b in itertools.pairwise(moved)) / 60


def at(acceptance, minute):
    for piece in acceptance.segments:
        if piece.start <= minute <= piece.end:
            share = (minute - piece.start) / (piece.end - piece.start)
            return piece.level_from + (piece.level_to - piece.level_from) * share
    raise AssertionError(minute)


def test_batteries_are_accepted_often_and_some_acceptances_are_taken_back():
    made = [one for number in WINTER for one in acceptances(2026, number)]
    assert sum(one.unit.fuel == BATTERY for one in made) > 100
    assert any(one.number % 2 for one in made)
    assert any(one.volume < 0 < one.pair.number for one in made)


@few
@given(SEEDS, HALF_HOURS)
def test_the_settlement_adds_up(seed, number):
    found = settlement(seed, number)
    actions = (*acceptances(seed, number), *adjustments(seed, number))
    assert found.imbalance == pytest.approx(sum(a.volume for a in actions), abs=0.001)
    assert sum(item.netted for item in found.stack) == pytest.approx(
        found.imbalance, abs=0.01
    )
    (price,) = balancing.disebsp(seed, number * 1800, number * 1800 + 3000)
    assert price["systemSellPrice"] == price["systemBuyPrice"]
    total = sum(
        price[f"total{kind}"]
        for kind in (
            *("AcceptedOfferVolume", "AcceptedBidVolume"),
            *("AdjustmentSellVolume", "AdjustmentBuyVolume"),
        )
    )
    assert total == pytest.approx(price["netImbalanceVolume"], abs=0.01)


def test_the_price_is_above_the_index_when_the_system_is_short():
    short = [n for n in WINTER if settlement(2026, n).imbalance > 100]
    long = [n for n in (*WINTER, *SUMMER) if settlement(2026, n).imbalance < -100]
    above = [settlement(2026, n).price - index_price(2026, n) for n in short]
    below = [settlement(2026, n).price - index_price(2026, n) for n in long]
    assert 5 < statistics.mean(above) < 60
    assert -60 < statistics.mean(below) < -5


def test_volumes_and_cashflows_are_those_of_the_acceptances():
    for number in WINTER[:12]:
        at_ = number * 1800
        volumes = balancing.boav(2026, at_, at_ + 3000)
        cash = {r["nationalGridBmUnit"]: r for r in balancing.ebocf(2026, at_, 0)}
        made = acceptances(2026, number)
        assert len(volumes) == len(made)
        for record, one in zip(volumes, made, strict=True):
            side = "positive" if one.pair.number > 0 else "negative"
            name = f"{side}{abs(one.pair.number)}"
            assert record["pairVolumes"][name] == record["totalVolumeAccepted"]
        for unit, record in cash.items():
            wanted = sum(a.volume * a.price for a in made if a.unit.name == unit)
            assert record["totalCashflow"] == pytest.approx(wanted, abs=0.01)


def test_frequency_wanders_around_fifty():
    first = midnight(date(2026, 3, 3))
    values = [frequency(2026, first + 15 * n) for n in range(5_760)]
    assert 49.98 < statistics.mean(values) < 50.02
    assert 0.04 < statistics.stdev(values) < 0.08
    assert sum(abs(value - 50) > 0.2 for value in values) < 60
    steps = [abs(a - b) for a, b in itertools.pairwise(values)]
    assert max(steps) < 0.09


def test_outages_lower_the_limit_and_their_reports_agree():
    at_ = WINTER[20] * 1800
    known = known_outages(2026, at_)
    running = [(o, r) for o, r in known if r.start <= at_ < r.end]
    assert running
    for event, report in known:
        (record,) = capacity.remit(event, report)
        assert record["availableCapacity"] < record["normalCapacity"]
        assert record["unavailableCapacity"] == (
            record["normalCapacity"] - record["availableCapacity"]
        )
        assert report.published <= at_
        out = event.start <= at_ < event.end and not event.dismissed
        if out:
            assert available(2026, event.unit, at_) == event.available


def test_revisions_count_up_in_time():
    for window in range(2_560, 2_564):
        for unit in UNITS:
            event = outage(2026, unit, window)
            if event:
                revisions = [r.revision for r in event.reports]
                assert revisions == list(range(1, len(revisions) + 1))
                times = [r.published for r in event.reports]
                assert times == sorted(set(times))


def test_the_same_seed_has_the_same_market_and_another_seed_another():
    number = WINTER[20]
    one = plan(7, number), settlement(7, number), frequency(7, number * 1800)
    for cached in (plan, settlement, acceptances, generation):
        cached.cache_clear()
    assert one == (plan(7, number), settlement(7, number), frequency(7, number * 1800))
    assert plan(8, number) != one[0]


@pytest.mark.parametrize(
    ("day", "periods"),
    [(date(2026, 3, 29), 46), (date(2026, 10, 25), 50), (date(2026, 5, 6), 48)],
)
def test_a_day_has_46_48_or_50_half_hours(day, periods):
    numbers = half_hours_of(day)
    assert len(numbers) == periods
    found = [day_and_period(number * 1800) for number in numbers]
    assert found == [(day.isoformat(), n) for n in range(1, periods + 1)]
    at_ = midnight(day)
    noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())
    (record,) = outturn.indod(2026, noon + 86_400, at_)
    demand = sum(outturn.national_demand(2026, number) for number in numbers)
    assert record["demand"] == demand // 2
    assert record["settlementDate"] == day.isoformat()
