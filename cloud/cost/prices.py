"""The price list: what Google charges, where that is written, and who has looked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import yaml

FILE = Path(__file__).with_name("prices.yaml")
# The place of a price that is the same everywhere.
ANYWHERE = "any"


class Price(NamedTuple):
    """One price at one place.

    Attributes:
        name: Its key in the file.
        place: A region, a BigQuery location, or `any`.
        usd: US dollars for a unit; for a free tier, how many units are free.
        unit: What is paid for, such as `GiB-month`.
        page: Google's page.
        read: When somebody looked.
        is_checked: Whether that page showed the amount then.
        note: Where else the amount is from.
    """

    name: str
    place: str
    usd: Decimal
    unit: str
    page: str
    read: dt.date
    is_checked: bool
    note: str = ""


class PriceList:
    """All prices and free tiers.

    Args:
        content: What the file holds.

    Attributes:
        regions: The regions that have every price.
        locations: The BigQuery locations that do.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.regions: list[str] = content["regions"]
        self.locations: list[str] = content["locations"]
        self._prices: Mapping[str, Any] = content["prices"]
        self._free: Mapping[str, Any] = content["free"]

    def price(self, name: str, place: str) -> Price:
        """The price at a place.

        Raises:
            KeyError: There is none.
        """
        entry = self._prices[name]
        where = place if place in entry else ANYWHERE
        return _price(name, where, entry["unit"], entry, entry[where])

    def free(self, name: str, place: str) -> Price | None:
        """How many units of something are free at a place; None for none."""
        entry = self._free.get(name)
        if entry is None:
            return None
        where = place if place in entry else ANYWHERE
        if where not in entry:
            return None
        values = {"amount": entry["amount"], **entry[where]}
        return _price(name, where, self._prices[name]["unit"], entry, values)

    def names(self) -> list[str]:
        """All that has a price, in the order of the file."""
        return list(self._prices)


def _price(
    name: str,
    place: str,
    unit: str,
    entry: Mapping[str, Any],
    values: Mapping[str, Any],
) -> Price:
    return Price(
        name=name,
        place=place,
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
