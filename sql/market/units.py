"""The directory of units: `gb_units`, and `gb_units_between` for some days.

A unit has two names: `nationalGridBmUnit` is the system operator's, `bmUnit` Elexon's.
Some units have only one of them, and a unit may get another name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.registry import Column, Dataset, Registry
from sql.market.market_view import MarketView, day, text

UNIT = text(
    "unit", "The unit: its nationalGridBmUnit, or its bmUnit if it has no other name."
)
NATIONAL_GRID_NAME = text(
    "nationalGridBmUnit", "The system operator's name of the unit; null if not known."
)
ELEXON_NAME = text("bmUnit", "Elexon's name of the unit; null if not known.")

_COLUMNS = (
    UNIT,
    NATIONAL_GRID_NAME,
    ELEXON_NAME,
    Column(
        "otherNames",
        "STRING",
        "REPEATED",
        description="Names that the unit had before, or that only REMIT uses.",
    ),
    text(
        "fuelType",
        "Fuel. From the reference list and UOU2T14D it is a code (CCGT, WIND), from "
        "IGCPU and REMIT a label (Fossil Gas).",
    ),
    text(
        "fuelSource", "Where the fuel is from: REFERENCE, or the name of the dataset."
    ),
    text("leadPartyName", "The lead party; null if not known."),
    day("firstSeen", "The first day of a record that names the unit."),
    day("lastSeen", "The last day of a record that names the unit; it may be ahead."),
)
# A notification stands beside each record of these: they name no unit that PN lacks.
_BESIDE_PN = frozenset({"BOD", "QPN"})


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset that names units, and how its columns are read, as SQL or None.

    Attributes:
        dataset: The dataset.
        grid_name: The system operator's name.
        elexon_name: Elexon's name.
        fuel: The fuel.
        party: The lead party.
        condition: Which rows name a unit.
    """

    dataset: Dataset
    grid_name: str | None
    elexon_name: str | None
    fuel: str | None
    party: str | None
    condition: str = "TRUE"

    @property
    def grouped(self) -> list[str]:
        """The texts that it has.

        BigQuery refuses to group by a literal, such as the NULL of a missing column.
        """
        texts = {
            "grid_name": self.grid_name,
            "elexon_name": self.elexon_name,
            "fuel": self.fuel,
            "party": self.party,
        }
        return [name for name, expression in texts.items() if expression]

    @property
    def by_date(self) -> bool:
        """Whether the table is partitioned by a day, not by a time."""
        return self.dataset.column(self.dataset.partition_column).type == "DATE"


def sources(registry: Registry) -> Iterator[Source]:
    """The datasets that say which units there are."""
    for dataset in registry.values():
        names = {column.name for column in dataset.columns}
        if "bmUnit" in names and dataset.name not in _BESIDE_PN:
            yield Source(
                dataset,
                _column("nationalGridBmUnit", names),
                _column("bmUnit", names),
                _column("fuelType" if "fuelType" in names else "psrType", names),
                _column("leadPartyName", names),
            )
        elif dataset.name == "REMIT":
            # One column for either name: Elexon's have a prefix (T_, E_, 2__, V__).
            elexon = r"REGEXP_CONTAINS(affectedUnit, r'^\s*([A-Za-z]_|[0-9A-Za-z]__)')"
            yield Source(
                dataset,
                f"IF({elexon}, NULL, affectedUnit)",
                f"IF({elexon}, affectedUnit, NULL)",
                "fuelType",
                None,
                "NOT REGEXP_CONTAINS(LOWER(COALESCE(eventType, '')), 'transmission')",
            )


def _column(name: str, names: set[str]) -> str | None:
    return name if name in names else None


def _values(registry: Registry, *, between: bool) -> dict[str, Any]:
    return {"sources": list(sources(registry)), "between": between}


MARKET = (
    MarketView(
        "gb_units",
        "The units: one row each, with both names, fuel and lead party as far as the "
        "feed or the reference list says. A query reads the names in all rows of the "
        "feed; gb_units_between reads some days.",
        _COLUMNS,
        "units.sql",
        partial(_values, between=False),
    ),
    MarketView(
        "gb_units_between",
        "The units that the feed names from from_date to to_date, and those of the "
        "reference list.",
        _COLUMNS,
        "units.sql",
        partial(_values, between=True),
        arguments="from_date DATE, to_date DATE",
    ),
)
