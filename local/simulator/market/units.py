"""The demo's units: stations with their fuels, capacities, owners and both names.

All are invented. One name is that of a real unit, MRWD-1, because the guide's queries
name it; its figures are invented, too.
"""

from dataclasses import dataclass
from functools import cached_property

INTERCONNECTORS = (
    *("INTFR", "INTIFA2", "INTELEC", "INTNED", "INTNEM", "INTNSL", "INTVKL"),
    *("INTIRL", "INTEW", "INTGRNL"),
)
FUELS = (
    *("BIOMASS", "CCGT", "COAL", "NPSHYD", "NUCLEAR", "OCGT", "OIL", "OTHER", "PS"),
    "WIND",
    *INTERCONNECTORS,
)
BATTERY = "BATTERY"
"""In the datasets by fuel, a battery is OTHER."""


@dataclass(frozen=True)
class Unit:
    """A unit of the balancing mechanism.

    Attributes:
        index: Its place in `UNITS`.
        name: The system operator's name (nationalGridBmUnit).
        elexon_name: Elexon's name (bmUnit); None for units that have none.
        fuel: A fuel code, or `BATTERY`.
        capacity: The most it exports, MW.
        party: The lead party.
        region: Of the weather; for wind.
    """

    index: int
    name: str
    elexon_name: str | None
    fuel: str
    capacity: int
    party: str
    region: int = 0

    @cached_property
    def names(self) -> dict[str, str | None]:
        return {"nationalGridBmUnit": self.name, "bmUnit": self.elexon_name}

    @property
    def kind(self) -> str:
        """The type letter of `bmUnit`."""
        return (self.elexon_name or "T")[0]

    @property
    def fuel_code(self) -> str:
        return "OTHER" if self.fuel == BATTERY else self.fuel

    @property
    def eic(self) -> str:
        """An EIC code in the form of Great Britain's."""
        return f"48W0000DEMO{self.index:04d}X"

    @property
    def import_capacity(self) -> int:
        """The most it imports, MW, from 0 upwards."""
        return self.capacity if self.fuel in _IMPORTING else 0


_IMPORTING = frozenset({BATTERY, "PS", *INTERCONNECTORS})

# Code, fuel, units, MW of each, prefix of Elexon's name ("" if there is none), party,
# and the weather's region.
_STATIONS: tuple[tuple[str, str, int, int, str, str, int], ...] = (
    ("MRWD", "CCGT", 1, 900, "T_", "Southwater Energy", 0),
    ("ALDMR", "CCGT", 2, 850, "T_", "Northmoor Power", 0),
    ("BRCKL", "CCGT", 3, 820, "T_", "Northmoor Power", 0),
    ("CAWDN", "CCGT", 2, 860, "T_", "Pennine Generation", 0),
    ("DUNFL", "CCGT", 2, 780, "T_", "Pennine Generation", 0),
    ("ELVBR", "CCGT", 2, 720, "T_", "Southwater Energy", 0),
    ("FENWK", "CCGT", 2, 910, "T_", "Eastholm Gas", 0),
    ("GRSBY", "CCGT", 3, 700, "T_", "Eastholm Gas", 0),
    ("HLTNB", "CCGT", 2, 660, "T_", "Tarn Trading", 0),
    ("KELBK", "CCGT", 2, 840, "T_", "Tarn Trading", 0),
    ("LNGMR", "CCGT", 2, 880, "T_", "Southwater Energy", 0),
    ("PENWD", "CCGT", 3, 760, "T_", "Pennine Generation", 0),
    ("SALTR", "CCGT", 1, 800, "T_", "Tarn Trading", 0),
    ("QUARN", "OCGT", 3, 150, "T_", "Eastholm Gas", 0),
    ("HOLMB", "NUCLEAR", 4, 610, "T_", "Severnside Nuclear", 0),
    ("STENB", "NUCLEAR", 4, 600, "T_", "Severnside Nuclear", 0),
    ("TIMBR", "BIOMASS", 4, 645, "T_", "Aire Biomass", 0),
    ("WOODE", "BIOMASS", 1, 400, "E_", "Aire Biomass", 0),
    ("GLENA", "NPSHYD", 2, 320, "T_", "Highland Water", 0),
    ("RANNO", "NPSHYD", 1, 260, "E_", "Highland Water", 0),
    ("MYNYD", "PS", 6, 300, "T_", "Highland Water", 0),
    ("LOCHB", "PS", 4, 175, "T_", "Highland Water", 0),
    ("CHEMW", "OTHER", 2, 420, "E_", "Tarn Trading", 0),
    ("ANVLO", "WIND", 3, 900, "T_", "Dogger Wind", 0),
    ("BERWK", "WIND", 2, 860, "T_", "Dogger Wind", 0),
    ("COLDB", "WIND", 3, 820, "T_", "Humber Offshore", 1),
    ("DRIFT", "WIND", 2, 880, "T_", "Humber Offshore", 1),
    ("ESKWD", "WIND", 3, 780, "T_", "Irish Sea Renewables", 2),
    ("FORTH", "WIND", 2, 690, "T_", "Irish Sea Renewables", 2),
    ("GARVE", "WIND", 3, 560, "T_", "Highland Wind", 3),
    ("HRTLW", "WIND", 2, 520, "T_", "Highland Wind", 3),
    ("KINLO", "WIND", 2, 330, "E_", "Highland Wind", 3),
    ("AMPRE", BATTERY, 1, 100, "T_", "Voltage Storage", 0),
    ("BLITZ", BATTERY, 1, 50, "E_", "Voltage Storage", 0),
    ("CHRGE", BATTERY, 2, 50, "2__V", "Voltage Storage", 0),
    ("DYNMO", BATTERY, 2, 60, "", "Gridflex", 0),
    ("ETHER", BATTERY, 2, 40, "V__G", "Gridflex", 0),
    ("IFRA", "INTFR", 1, 2000, "I_", "Channel Links", 0),
    ("IFRB", "INTIFA2", 1, 1000, "I_", "Channel Links", 0),
    ("IFRC", "INTELEC", 1, 1000, "I_", "Channel Links", 0),
    ("INED", "INTNED", 1, 1000, "I_", "North Sea Links", 0),
    ("IBEL", "INTNEM", 1, 1000, "I_", "North Sea Links", 0),
    ("INOR", "INTNSL", 1, 1400, "I_", "North Sea Links", 0),
    ("IDEN", "INTVKL", 1, 1400, "I_", "North Sea Links", 0),
    ("IMOY", "INTIRL", 1, 500, "I_", "Irish Links", 0),
    ("IEWI", "INTEW", 1, 500, "I_", "Irish Links", 0),
    ("IGRN", "INTGRNL", 1, 500, "I_", "Irish Links", 0),
)


def _all_units() -> tuple[Unit, ...]:
    units: list[Unit] = []
    for code, fuel, count, capacity, prefix, party, region in _STATIONS:
        for number in range(1, count + 1):
            name = f"{code}-{number}"
            elexon = _elexon_name(prefix, code, number) if prefix else None
            owner = f"{party} Ltd"
            units.append(Unit(len(units), name, elexon, fuel, capacity, owner, region))
    return tuple(units)


def _elexon_name(prefix: str, code: str, number: int) -> str:
    """`T_ABCDE-1`; the units of suppliers and aggregators are numbered."""
    if prefix.startswith(("2", "V")):
        return f"{prefix}{code[:4]}{number:03d}"
    return f"{prefix}{code}-{number}"


UNITS = _all_units()
UNITS_OF = {
    fuel: tuple(unit for unit in UNITS if unit.fuel == fuel)
    for fuel in (*FUELS, BATTERY)
}
PARTIES = tuple(dict.fromkeys(unit.party for unit in UNITS))
UNITS_OF_PARTY = {
    party: tuple(unit for unit in UNITS if unit.party == party) for party in PARTIES
}


def capacity_of(fuel: str) -> int:
    """The capacity of all units of a fuel, MW."""
    return sum(unit.capacity for unit in UNITS_OF[fuel])
