"""The price list: what Google charges, and where each price is from."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import yaml

FILE = Path(__file__).with_name("prices.yaml")
# The area of a price that is the same everywhere.
ANYWHERE = "any"


class Price(NamedTuple):
    """One price in one area.

    Attributes:
        name: Its key in the file.
        area: A region, a BigQuery location, or `any`.
        usd: US dollars for a unit; for a free tier, the number of free units.
        unit: The unit of the price, for example `GiB-month`.
        page: Google's page.
        read: The day on which the page was looked up.
        is_checked: Whether the page showed the amount on that day.
        note: Where the amount is from, if not from the page.
    """

    name: str
    area: str
    usd: Decimal
    unit: str
    page: str
    read: dt.date
    is_checked: bool
    note: str = ""


class PriceList:
    """All prices and free tiers.

    Args:
        content: The parsed file.

    Attributes:
        regions: The regions for which every price is known.
        locations: The BigQuery locations for which every price is known.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.regions: list[str] = content["regions"]
        self.locations: list[str] = content["locations"]
        self._prices: Mapping[str, Any] = content["prices"]
        self._free: Mapping[str, Any] = content["free"]

    def price(self, name: str, area: str) -> Price:
        """The price in a region or a BigQuery location.

        Raises:
            KeyError: There is no such price.
        """
        entry = self._prices[name]
        found = area if area in entry else ANYWHERE
        return _price(name, found, entry["unit"], entry, entry[found])

    def free(self, name: str, area: str) -> Price | None:
        """How many units of something are free in an area; None for none."""
        entry = self._free.get(name)
        if entry is None:
            return None
        found = area if area in entry else ANYWHERE
        if found not in entry:
            return None
        values = {"amount": entry["amount"], **entry[found]}
        return _price(name, found, self._prices[name]["unit"], entry, values)

    def names(self) -> list[str]:
        """The names of all prices, in the order of the file."""
        return list(self._prices)


def _price(
    name: str,
    area: str,
    unit: str,
    entry: Mapping[str, Any],
    values: Mapping[str, Any],
) -> Price:
    return Price(
        name=name,
        area=area,
        usd=Decimal(values["amount"]),
        unit=unit,
        page=entry["page"],
        read=values["read"],
        is_checked=values["checked"],
        note=values.get("note", ""),
    )


def load_prices(path: Path = FILE) -> PriceList:
    """The price list of a file."""
    return PriceList(yaml.safe_load(path.read_text(encoding="utf-8")))
