"""Frequency: the last hour, and the limits of normal operation."""

import datetime as dt
from collections.abc import Sequence

from dashboard import vega
from dashboard.selection import Selection
from dashboard.tile import Chart, Column, Drawing, Figure, Row, Tile
from dashboard.tiles.times import between, last

HOUR = last(1)
LOWEST_HZ, HIGHEST_HZ = 49.8, 50.2
SAMPLE_SECONDS = 15


def _spec() -> vega.Spec:
    scale = {"domain": {"expr": "[lowest, highest]"}, "zero": False, "nice": False}
    y = vega.value_y("frequency", "Hz", scale=scale, axis={"format": ".2f"})
    band = {
        "data": {"values": [{"low": LOWEST_HZ, "high": HIGHEST_HZ}]},
        "mark": {"type": "rect", "color": vega.GREEN, "opacity": 0.12},
        "encoding": {
            "y": {"field": "low", "type": "quantitative", "scale": scale},
            "y2": {"field": "high"},
        },
    }
    fifty = {
        "data": {"values": [{"fifty": 50}]},
        "mark": {"type": "rule", "strokeDash": vega.DOTTED},
        "encoding": {"y": {"field": "fifty", "type": "quantitative"}},
    }
    x = vega.time_x("measurementTime")
    line = {
        "mark": {"type": "line", "color": vega.BLUE, "strokeWidth": 1.5},
        "encoding": {"x": x, "y": y},
    }
    hover = vega.hover(x, [vega.tooltip("frequency", "frequency, Hz", ".3f")])
    about = "Frequency in Hz over an hour, with the band from 49.8 to 50.2 Hz"
    spec = vega.spec(about, band, fifty, line, hover)
    spec["params"] += [{"name": "lowest", "value": 0}, {"name": "highest", "value": 1}]
    return spec


SPEC = _spec()


def _draw(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    values = [row["frequency"] for row in rows if row["frequency"] is not None]
    outside = sum(not LOWEST_HZ <= value <= HIGHEST_HZ for value in values)
    figures = (
        Figure("Latest", f"{values[-1]:.3f}", "Hz"),
        Figure("Lowest", f"{min(values):.3f}", "Hz"),
        Figure("Highest", f"{max(values):.3f}", "Hz"),
        Figure("Outside the band", f"{outside * SAMPLE_SECONDS:,}", "s"),
    )
    params = vega.clock_params(*HOUR(selection, now)) | {
        "lowest": min(LOWEST_HZ - 0.05, min(values) - 0.02),
        "highest": max(HIGHEST_HZ + 0.05, max(values) + 0.02),
    }
    columns = (
        Column("measurementTime", "Time", "time"),
        Column("frequency", "Frequency", "number", "Hz", 3),
    )
    chart = Chart(SPEC, params, rows)
    return Drawing(columns, rows[::-1], [chart], figures)


FREQUENCY = Tile(
    name="frequency",
    title="Frequency",
    sql="frequency.sql",
    datasets=("FREQ",),
    parameters=between(HOUR),
    draw=_draw,
    empty="No sample in this hour: FREQ has no rows for it yet.",
    about="A sample every 15 seconds over an hour; the band is 49.8 to 50.2 Hz.",
)
