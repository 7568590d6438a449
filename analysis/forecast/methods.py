"""Methods: the prices of a day from those of earlier days; arrays in, arrays out.

Prices are a grid: a row for each day, a column for each half-hour of the clock in Great
Britain, NaN where there is none.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.float64]

COLUMNS = 48
WEEK = 7
# Of days with features. A tree needs 20 rows in a leaf, and weekdays twice.
LEAST_DAYS = 14


def yesterday(grid: Floats, day: int) -> Floats:
    """The prices of the day before."""
    prices: Floats = grid[day - 1]
    return prices


def last_week(grid: Floats, day: int) -> Floats:
    """The prices of the same weekday of the week before."""
    prices: Floats = grid[day - WEEK]
    return prices


def boosting(grid: Floats, day: int) -> Floats:
    """Gradient boosted trees, trained on all days of the grid before the day."""
    known = [_features(grid, each) for each in range(WEEK, day)]
    rows, targets = np.concatenate(known), grid[WEEK:day].ravel()
    priced = np.isfinite(targets)
    model = HistGradientBoostingRegressor(
        max_iter=100, learning_rate=0.06, early_stopping=False, random_state=0
    )
    # A few thousand rows take 0.3 s. Threads do not help, and on a busy machine they
    # wait for each other: 10 s.
    with threadpool_limits(1, "openmp"):
        model.fit(rows[priced], targets[priced])
        predicted: Floats = model.predict(_features(grid, day))
    return predicted


METHODS: dict[str, Callable[[Floats, int], Floats]] = {
    "yesterday": yesterday,
    "lastWeek": last_week,
    "model": boosting,
}


def _features(grid: Floats, day: int) -> Floats:
    """What is known of each half-hour of a day when it begins.

    Returns:
        A row for each half-hour: the price one, two and seven days before, the mean of
        the week at that time, mean, lowest and highest of the day before, the time, and
        the day of the week.
    """
    before = grid[day - 1]
    whole_day = (
        _mean(before[:, None])[0],
        np.fmin.reduce(before),
        np.fmax.reduce(before),
    )
    columns = [
        *(before, grid[day - 2], grid[day - WEEK], _mean(grid[day - WEEK : day])),
        *(np.full(COLUMNS, value) for value in whole_day),
        np.arange(COLUMNS, dtype=np.float64),
        np.full(COLUMNS, float(day % WEEK)),
    ]
    return np.stack(columns, axis=1)


def _mean(values: Floats) -> Floats:
    """The mean of each column's numbers; NaN if it has none, without a warning."""
    counts = np.isfinite(values).sum(axis=0)
    sums = np.nansum(values, axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
