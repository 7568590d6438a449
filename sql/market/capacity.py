"""The capacity in force: `gb_installed_capacity`, today's, and `_at`, of any day."""

from functools import partial
from typing import Any

from pipeline.registry import Registry
from sql.market.market_view import MarketView, day, instant, megawatts, text
from sql.market.units import ELEXON_NAME

_COLUMNS = (
    text("registeredResourceEicCode", "EIC code of the unit."),
    text("registeredResourceName", "Name of the unit."),
    ELEXON_NAME,
    text("psrType", "Power system resource type, a label such as Fossil Gas."),
    megawatts("installedCapacity", "Installed capacity in force."),
    day("effectiveFrom", "Day from which it is in force."),
    day("effectiveTo", "Day from which another is; null if none is planned."),
    megawatts("nextInstalledCapacity", "The capacity that is in force from then on."),
    instant("publishTime", "When it was published."),
    text("documentId", "The transparency document."),
)
_NEEDS = ("IGCPU",)


def _values(_: Registry, *, day: str) -> dict[str, Any]:
    return {"day": day}


MARKET = (
    MarketView(
        "gb_installed_capacity",
        "The installed capacity of each unit that is in force today.",
        _COLUMNS,
        "installed_capacity.sql",
        partial(_values, day="CURRENT_DATE('Europe/London')"),
        _NEEDS,
    ),
    MarketView(
        "gb_installed_capacity_at",
        "The installed capacity of each unit that is in force on a day.",
        _COLUMNS,
        "installed_capacity.sql",
        partial(_values, day="on_date"),
        _NEEDS,
        "on_date DATE",
    ),
)
