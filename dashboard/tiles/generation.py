"""Generation: what each fuel supplies."""

import datetime as dt
from collections.abc import Sequence

from dashboard import vega
from dashboard.selection import Selection
from dashboard.tile import Chart, Column, Drawing, Figure, Row, Tile, number
from dashboard.tiles.times import between, last

DAY = last(24)
# From the bottom of the stack: what changes least is lowest. The codes are Elexon's.
FUELS = {
    "NUCLEAR": ("Nuclear", vega.PURPLE),
    "BIOMASS": ("Biomass", "#9a7b4f"),
    "NPSHYD": ("Hydro", vega.BLUE),
    "WIND": ("Wind", vega.SKY),
    "CCGT": ("Gas, CCGT", vega.ORANGE),
    "OCGT": ("Gas, OCGT", vega.RED),
    "COAL": ("Coal", "#4f5661"),
    "OIL": ("Oil", "#6d4c41"),
    "PS": ("Pumped storage", vega.GREEN),
    "OTHER": ("Other", vega.GREY),
}
# A code that is newer than this list.
UNKNOWN = ("Unknown", vega.YELLOW)


def _spec() -> vega.Spec:
    colours = dict([*FUELS.values(), UNKNOWN])
    x = vega.time_x("startTime")
    area = {
        "mark": {"type": "area"},
        "encoding": {
            "x": x,
            "y": vega.value_y("supplied", "MW", stack="zero", axis={"format": ",d"}),
            "color": vega.coloured("fuel", colours, shown={"expr": "names"}),
            "order": {"field": "place", "type": "quantitative"},
        },
    }
    # From the top of the stack, as the reader sees it.
    names = reversed([name for name, _ in FUELS.values()])
    lines = [vega.tooltip(name, f"{name}, MW", ",d") for name in names]
    hover = vega.hover(x, lines, pivot=("fuel", "generation"))
    spec = vega.spec("Generation by fuel in MW, stacked, over 24 hours", area, hover)
    spec["params"].append({"name": "names", "value": []})
    return spec


SPEC = _spec()


def _draw(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    places = {code: place for place, code in enumerate(FUELS)}
    drawn = [
        {
            **row,
            "fuel": FUELS.get(row["fuelType"], UNKNOWN)[0],
            "place": places.get(row["fuelType"], len(FUELS)),
            # An area cannot cross zero: pumped storage that pumps supplies nothing.
            "supplied": max(row["generation"] or 0, 0),
        }
        for row in rows
    ]
    newest = max(row["startTime"] for row in rows)
    latest = [row for row in drawn if row["startTime"] == newest]
    latest.sort(key=lambda row: -row["supplied"])
    total = sum(row["supplied"] for row in latest)
    figures = [Figure("All fuels", number(total), "MW")] + [
        Figure(
            row["fuel"],
            number(row["supplied"]),
            f"MW, {row['supplied'] / total:.0%}" if total else "MW",
        )
        for row in latest[:3]
    ]
    columns = (
        Column("startTime", "Time", "time"),
        Column("fuel", "Fuel"),
        Column("fuelType", "Code"),
        Column("generation", "Generation", "number", "MW"),
    )
    table = sorted(
        drawn, key=lambda row: (row["startTime"], row["place"]), reverse=True
    )
    shown = {row["fuelType"] for row in rows if row["generation"]}
    names = [name for code, (name, _) in FUELS.items() if code in shown]
    unknown = [UNKNOWN[0]] if shown - FUELS.keys() else []
    params = vega.clock_params(*DAY(selection, now)) | {"names": names + unknown}
    chart = Chart(SPEC, params, drawn, height=300)
    return Drawing(columns, table, [chart], figures)


GENERATION = Tile(
    name="generation",
    title="Generation by fuel",
    sql="generation.sql",
    datasets=("FUELINST",),
    parameters=between(DAY),
    draw=_draw,
    empty="No generation in these 24 hours: FUELINST has no rows for them yet.",
    about="Every five minutes, without interconnectors. The feed has no solar and no "
    "embedded wind.",
    wide=True,
)
