"""Forecasts of a day's prices, on made-up ones."""

import numpy as np
import pytest

from analysis.forecast.backtest import backtest
from analysis.forecast.methods import COLUMNS, METHODS, last_week, yesterday

DAYS = 40


def made(noise=5.0):
    """Prices that are high in the evening, and low at the weekend."""
    days, times = np.indices((DAYS, COLUMNS))
    shape = 60 + 30 * np.sin((times - 20) * 2 * np.pi / COLUMNS) - 20 * (days % 7 > 4)
    return shape + np.random.default_rng(1).normal(0, noise, shape.shape)


def test_simple_methods_repeat_prices():
    grid = made()
    assert (yesterday(grid, 30) == grid[29]).all()
    assert (last_week(grid, 30) == grid[23]).all()


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_no_method_sees_the_day_or_what_follows(method):
    grid, other = made(), made()
    other[30:] = 9999.0
    assert (method(grid, 30) == method(other, 30)).all()


def test_the_same_prices_have_the_same_forecast():
    assert (METHODS["model"](made(), 30) == METHODS["model"](made(), 30)).all()


def test_the_model_learns_what_repeating_cannot():
    """Noise that is repeated counts twice."""
    errors = {each.method: each for each in backtest(made(), 33, DAYS)}
    assert errors["model"].mean_absolute < errors["lastWeek"].mean_absolute
    assert errors["model"].mean_absolute < errors["yesterday"].mean_absolute


def test_errors_are_of_the_same_half_hours_for_all_methods():
    grid = made()
    grid[35, 3] = np.nan  # the price itself; the price of the day before
    found = backtest(grid, 34, 38)
    assert {each.half_hours for each in found} == {4 * COLUMNS - 2}


def test_an_error_is_forecast_less_price():
    grid = np.full((DAYS, COLUMNS), 50.0)
    grid[39] = np.where(np.arange(COLUMNS) < 24, 40.0, 48.0)
    error = {each.method: each for each in backtest(grid, 39, 40)}["yesterday"]
    assert error.mean_absolute == pytest.approx(6)
    assert error.bias == pytest.approx(6)
    assert error.root_mean_square == pytest.approx(np.sqrt((100 + 4) / 2))


def test_prices_that_are_missing_stop_no_method():
    grid = made()
    grid[20:22] = np.nan
    assert np.isfinite(METHODS["model"](grid, 23)).all()
