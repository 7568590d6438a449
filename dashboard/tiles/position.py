"""Position: the levels of one unit in a day."""

import datetime as dt
from collections.abc import Sequence

from dashboard import vega
from dashboard.selection import Selection
from dashboard.tile import Chart, Column, Drawing, Figure, Parameters, Row, Tile, number
from dashboard.tiles.times import of_day

LINES = {
    "notified": ("Notified (PN)", vega.GREY, vega.SOLID),
    "accepted": ("With acceptances", vega.BLUE, vega.SOLID),
    "export limit": ("Export limit (MEL)", vega.RED, vega.DASHED),
    "import limit": ("Import limit (MIL)", vega.GREEN, vega.DASHED),
}
ORDER = {"notified": 0, "export limit": 1, "import limit": 2, "accepted": 3}
NAMES = {line: name for line, (name, _, _) in LINES.items()}


def _spec() -> vega.Spec:
    colour, dash = vega.series(
        "name", {name: (colour, dash) for name, colour, dash in LINES.values()}
    )
    line = {
        "transform": [vega.clock("time")],
        "mark": {"type": "line", "strokeWidth": 2, "tooltip": True},
        "encoding": {
            "x": vega.time_x("time"),
            "y": vega.value_y("level", "MW", axis={"format": ",d"}),
            "color": colour,
            "strokeDash": dash,
            "order": {"field": "place", "type": "quantitative"},
        },
    }
    touch = {
        "transform": [vega.clock("time")],
        "mark": {"type": "point", "opacity": 0, "size": 60, "tooltip": True},
        "encoding": {
            "x": vega.time_x("time"),
            "y": vega.value_y("level", "MW"),
            "tooltip": [
                vega.tooltip("clock", "time"),
                vega.tooltip("name", "line"),
                vega.tooltip("level", "level, MW", ",d"),
            ],
        },
    }
    about = "Level of the unit in MW: notified, with acceptances, and its limits"
    return vega.spec(about, line, touch)


SPEC = _spec()


def _parameters(selection: Selection, now: dt.datetime) -> Parameters | None:
    if not selection["unit"]:
        return None
    return {**of_day(selection, now), "unit": selection["unit"]}


def _draw(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    # What is drawn later lies on top.
    rows = sorted(rows, key=lambda row: (ORDER[row["line"]], row["timeFrom"]))
    points = [
        {
            "name": NAMES[row["line"]],
            "place": 2 * place + end,
            "time": row[("timeFrom", "timeTo")[end]],
            "level": row[("levelFrom", "levelTo")[end]],
        }
        for place, row in enumerate(rows)
        for end in (0, 1)
    ]
    drawn = [{**row, "name": NAMES[row["line"]]} for row in rows]
    numbers = {row["acceptanceNumber"] for row in rows} - {None}
    figures = [
        Figure("Unit", selection["unit"]),
        Figure("Acceptances", str(len(numbers))),
    ]
    at = [
        row
        for row in rows
        if row["line"] == "accepted" and row["timeFrom"] <= now < row["timeTo"]
    ]
    if at:
        figures.append(Figure("Level now", number(at[0]["levelFrom"]), "MW"))
    columns = (
        Column("name", "Line"),
        Column("timeFrom", "From", "time"),
        Column("timeTo", "Until", "time"),
        Column("levelFrom", "At first", "number", "MW"),
        Column("levelTo", "At last", "number", "MW"),
        Column("acceptanceNumber", "Acceptance"),
    )
    day = of_day(selection, now)
    params = vega.clock_params(day["from_utc"], day["to_utc"])
    return Drawing(columns, drawn, [Chart(SPEC, params, points, 300)], figures)


POSITION = Tile(
    name="position",
    title="Position of a unit",
    sql="position.sql",
    datasets=("PN", "BOALF", "MELS", "MILS"),
    parameters=_parameters,
    draw=_draw,
    empty="Select a unit above, or by its name in the table. One that is selected has "
    "no notified level in this day.",
    about="The level that it notified, the one that it is to follow, and its limits.",
    takes=("day", "unit"),
    every_seconds=120,
)
