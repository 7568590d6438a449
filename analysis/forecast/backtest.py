"""Backtest: what each method would have said on past days, and how wrong it was."""

import math
from typing import NamedTuple

import numpy as np

from analysis.forecast.methods import METHODS, Floats


class Errors(NamedTuple):
    """How wrong a method was, in GBP/MWh.

    Attributes:
        method: Its name.
        half_hours: How many were compared: the same ones for all methods.
        mean_absolute: The mean of the distances.
        root_mean_square: Large errors count more.
        bias: The mean of forecast less price; above 0 if it says too much.
    """

    method: str
    half_hours: int
    mean_absolute: float
    root_mean_square: float
    bias: float


def backtest(grid: Floats, first: int, end: int) -> list[Errors]:
    """The errors of all methods on some days, each forecast from the days before it.

    Args:
        grid: Prices, a row for each day.
        first: The first day, a row of the grid.
        end: The day after the last.
    """
    days = range(first, end)
    said = {
        name: np.concatenate([method(grid, day) for day in days])
        for name, method in METHODS.items()
    }
    actual = grid[first:end].ravel()
    known = np.isfinite(actual)
    for values in said.values():
        known &= np.isfinite(values)
    return [
        _errors(name, values[known] - actual[known]) for name, values in said.items()
    ]


def _errors(name: str, wrong: Floats) -> Errors:
    if not wrong.size:
        return Errors(name, 0, math.nan, math.nan, math.nan)
    return Errors(
        name,
        int(wrong.size),
        float(np.abs(wrong).mean()),
        float(np.sqrt((wrong**2).mean())),
        float(wrong.mean()),
    )
