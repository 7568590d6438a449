"""The schedules of a battery: hand-worked cases, and what no schedule may break."""

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from analysis.battery.best import best
from analysis.battery.naive import naive
from analysis.battery.schedule import Battery
from command.usage import UsageError

# 1 MWh in a half-hour, 1 MWh stored, half of it lost.
SMALL = Battery(power=2.0, energy=1.0, efficiency=0.5, cycles=3.0)
NEAR = 1e-4


def days_of(count, length=6):
    return np.arange(count) // length


def clocks_of(count, length=6):
    return [f"{number % length:02d}:00" for number in range(count)]


def schedules(prices, battery):
    values = np.array(prices, dtype=float)
    days, clocks = days_of(values.size), clocks_of(values.size)
    return best(values, days, battery), naive(values, days, clocks, battery)


def earned(prices, schedule):
    return schedule.revenue(np.array(prices, dtype=float)).sum()


def test_it_charges_at_the_lowest_price_and_discharges_at_the_highest():
    battery = Battery(power=50, energy=25, efficiency=0.8, cycles=1)
    [schedule] = schedules([40, 10, 20, 90], battery)[:1]
    # 25 MWh are delivered; 31.25 are charged: 25 in the cheapest half-hour.
    assert schedule.charged == pytest.approx([0, 25, 6.25, 0])
    assert schedule.discharged == pytest.approx([0, 0, 0, 25])
    assert earned([40, 10, 20, 90], schedule) == pytest.approx(25 * 90 - 250 - 125)


def test_a_spread_that_losses_eat_is_not_traded():
    schedule, _ = schedules([50, 90], SMALL)
    assert (schedule.charged.sum(), schedule.discharged.sum()) == (0, 0)


def test_cycles_limit_what_a_day_delivers():
    prices = [0, 0, 100, 0, 0, 100]
    once = SMALL._replace(cycles=1.0)
    assert earned(prices, schedules(prices, SMALL)[0]) == pytest.approx(200)
    assert earned(prices, schedules(prices, once)[0]) == pytest.approx(100)


def paid_for_losses(prices, battery):
    """What a plain linear programme earns, which may do both in a half-hour."""
    count = len(prices)
    stored = np.tril(np.ones((count, count)))
    level = np.hstack([battery.efficiency * stored, -stored])
    limits = [battery.energy] * count + [0] * count
    prices = np.array(prices, dtype=float)
    result = linprog(
        np.concatenate([prices, -prices]),
        A_ub=np.vstack([level, -level]),
        b_ub=limits,
        bounds=(0, battery.step),
    )
    return -result.fun


def test_it_is_not_paid_for_losses_in_a_half_hour_that_does_both():
    """A full battery at a negative price: it can only rest."""
    prices = [-10, -10, -10, 50]
    schedule, _ = schedules(prices, SMALL)
    assert paid_for_losses(prices, SMALL) == pytest.approx(75)
    assert earned(prices, schedule) == pytest.approx(70)
    assert earned(prices, schedule) == pytest.approx(by_trying(prices, SMALL))
    assert (np.minimum(schedule.charged, schedule.discharged) == 0).all()


def test_of_equal_prices_the_earlier_ones_are_used():
    prices = [10, 10, 10, 10, 80, 80]
    schedule, _ = schedules(prices, SMALL._replace(cycles=1.0))
    assert schedule.charged == pytest.approx([1, 1, 0, 0, 0, 0], abs=NEAR)
    assert schedule.discharged == pytest.approx([0, 0, 0, 0, 1, 0], abs=NEAR)


def test_nothing_moves_where_nothing_is_earned():
    schedule, _ = schedules([0, 0, 0, 0], SMALL)
    assert (schedule.charged.sum(), schedule.discharged.sum()) == (0, 0)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("which", ["best", "naive"])
def test_a_price_that_is_not_a_number_is_refused(wrong, which):
    prices, days = np.array([10.0, wrong, 20.0]), np.zeros(3, dtype=int)
    with pytest.raises(UsageError, match=r"price 2 of 3 is .*not a number") as error:
        if which == "best":
            best(prices, days, SMALL)
        else:
            naive(prices, days, clocks_of(3), SMALL)
    assert "\n" not in str(error.value)


def test_the_naive_one_uses_the_times_of_yesterday():
    battery = SMALL._replace(cycles=1.0)
    yesterday = [30, 10, 20, 40, 90, 50]
    today = [1, 2, 3, 4, 5, 6]
    _, schedule = schedules([*yesterday, *today], battery)
    assert schedule.charged.tolist() == [0] * 6 + [0, 1, 1, 0, 0, 0]
    assert schedule.discharged.tolist() == [0] * 6 + [0, 0, 0, 0, 1, 0]


def test_the_naive_one_rests_after_a_day_without_prices():
    prices, days = np.arange(12.0), np.array([1] * 6 + [3] * 6)
    schedule = naive(prices, days, clocks_of(12), SMALL)
    assert schedule.charged.sum() == 0


def test_the_naive_one_keeps_what_is_left_for_the_next_day():
    """Yesterday was dearest before it was cheapest."""
    battery = SMALL._replace(cycles=1.0)
    day = [90, 50, 40, 30, 10, 20]
    _, schedule = schedules(day * 3, battery)
    assert schedule.discharged.tolist() == [0] * 12 + [1, 0, 0, 0, 0, 0]


amounts = st.floats(0.5, 60)
batteries = st.builds(
    Battery,
    power=amounts,
    energy=amounts,
    efficiency=st.floats(0.5, 1),
    cycles=st.floats(0.2, 4),
)
# Whole numbers bring ties.
some_prices = st.lists(
    st.floats(-200, 500) | st.integers(-3, 3).map(float), min_size=1, max_size=18
)


@given(some_prices, batteries)
def test_no_schedule_breaks_a_limit_of_the_battery(prices, battery):
    days = days_of(len(prices))
    for schedule in schedules(prices, battery):
        stored = schedule.stored(battery)
        assert stored.min() >= -NEAR
        assert stored.max() <= battery.energy + NEAR
        assert schedule.charged.min() >= 0
        assert schedule.discharged.min() >= 0
        assert max(schedule.charged.max(), schedule.discharged.max()) <= battery.step
        assert (np.minimum(schedule.charged, schedule.discharged) == 0).all()
        delivered = np.bincount(days, weights=schedule.discharged)
        assert delivered.max() <= battery.daily + NEAR


@given(some_prices, batteries)
def test_energy_that_comes_out_or_stays_came_in(prices, battery):
    for schedule in schedules(prices, battery):
        left = schedule.stored(battery)[-1]
        assert battery.efficiency * schedule.charged.sum() == pytest.approx(
            schedule.discharged.sum() + left, abs=NEAR
        )


@given(some_prices, batteries)
def test_the_best_schedule_never_earns_less_than_the_naive_one(prices, battery):
    top, plain = schedules(prices, battery)
    assert earned(prices, top) >= earned(prices, plain) - 0.01


@given(some_prices, batteries)
def test_the_same_prices_have_the_same_schedule(prices, battery):
    first, second = schedules(prices, battery)[0], schedules(prices, battery)[0]
    assert first.charged.tolist() == second.charged.tolist()
    assert first.discharged.tolist() == second.discharged.tolist()


def by_trying(prices, battery):
    """The most that `SMALL` can earn: it moves 1 MWh or 0.5 MWh, or rests.

    All limits are multiples of 0.5 MWh, and so are the amounts of a best schedule.
    """
    days = days_of(len(prices)).tolist()

    @lru_cache(None)
    def most(number, stored, left):
        if number == len(prices):
            return 0.0
        if number and days[number] != days[number - 1]:
            left = battery.daily
        outcomes = [most(number + 1, stored, left)]
        if stored + 0.5 <= battery.energy:
            outcomes.append(most(number + 1, stored + 0.5, left) - prices[number])
        for amount in (0.5, 1.0):
            if amount <= min(stored, left):
                later = most(number + 1, stored - amount, left - amount)
                outcomes.append(later + amount * prices[number])
        return max(outcomes)

    return most(0, 0.0, battery.daily)


@given(
    st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=12),
    st.sampled_from([0.5, 1.0, 1.5, 3.0]),
    st.sampled_from([1.0, 2.0]),
)
def test_no_other_schedule_earns_more(prices, cycles, energy):
    battery = SMALL._replace(cycles=cycles, energy=energy)
    top, _ = schedules(prices, battery)
    assert earned(prices, top) == pytest.approx(by_trying(prices, battery), abs=1e-3)
