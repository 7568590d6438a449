"""When each dataset is published, and what about.

A series has a grid of instants that its messages are about, such as every half-hour.
Each has a time of publication before or after it.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from local.simulator.generator import generate_message
from local.simulator.market.acceptances import acceptances
from local.simulator.market.chance import happens
from local.simulator.market.figures import (
    CORRECTED_SHARE,
    DAY_SECONDS,
    HALF_HOUR_SECONDS,
    HOUR_SECONDS,
    REPEATED_SHARE,
)
from local.simulator.market.instants import day_of, is_holiday, midnight, utc
from local.simulator.market.outages import WINDOW_SECONDS, outage
from local.simulator.market.records import (
    balancing,
    capacity,
    outlook,
    outturn,
    physical,
)
from local.simulator.market.records.form import Maker, Record
from local.simulator.market.units import PARTIES, UNITS, UNITS_OF_PARTY
from pipeline.registry import Dataset, load_registry

When = Callable[[int, int, int], int | None]
"""The time of publication by seed, about and part; None if there is no message."""
PartMaker = Callable[[int, int, int, int], list[Record]]
"""Takes seed, about, part and published; returns the records of a message."""

_MINUTE = 60
_WEEK_SECONDS = 7 * DAY_SECONDS
_YEAR_SECONDS = 365 * DAY_SECONDS
# Positions are final an hour before their half-hour.
GATE_SECONDS = HOUR_SECONDS
_MOST_ACCEPTANCES = 24
_MOST_REPORTS = 3
_LONGEST_WEEKEND_SECONDS = 6 * DAY_SECONDS
_REPEAT_SECONDS = 90
_RECORDS_WITHOUT_MODEL = 3


@dataclass(frozen=True)
class Series:
    """The messages of a dataset, or of one kind of them.

    Attributes:
        dataset: The IRIS dataset.
        step: Seconds between the instants that they are about.
        when: When the message about an instant is published.
        make: Makes its records; a message without records is not sent.
        parts: How many messages there are about one instant.
        first: How many instants before its beginning a feed sends, too.
        early: Seconds by which a message may be published before its instant.
        late: Seconds by which a message may be published after its instant.
        sparse: Of messages about the past, every n-th instant is sent.
    """

    dataset: str
    step: int
    when: When
    make: PartMaker
    parts: int = 1
    first: int = 0
    early: int = 2 * HOUR_SECONDS
    late: int = 6 * HOUR_SECONDS
    sparse: int = 1

    def publications(
        self, seed: int, begin: int, until: int, *, sparse: bool
    ) -> Iterator["Publication"]:
        """The messages about instants from `begin` on, published by `until`."""
        first = -(-begin // self.step) - self.first
        for place in range(first, (until + self.early) // self.step + 1):
            if sparse and self.sparse > 1 and place % self.sparse and place != first:
                continue
            about = place * self.step
            for part in range(self.parts):
                published = self.when(seed, about, part)
                if published is not None and published <= until:
                    yield Publication(published, self, about, part)


@dataclass(frozen=True)
class Publication:
    """A message that is to be sent.

    Attributes:
        published: When.
        repeated: Whether it is the same message again.
    """

    published: int
    series: Series
    about: int
    part: int
    repeated: bool = False

    def records(self, seed: int) -> list[Record]:
        original = self.published - (_REPEAT_SECONDS if self.repeated else 0)
        return self.series.make(seed, self.about, self.part, original)

    @property
    def message_id(self) -> str:
        """A name in IRIS's pattern."""
        serial = f"{self.about // _MINUTE % 10_000_000}{self.part:03d}"
        minute = f"{utc(self.published):%Y%m%d%H%M}"
        return f"{self.series.dataset}_{minute}_{serial}.json"


def publications(
    seed: int,
    series: Sequence[Series],
    begin: int,
    after: int,
    until: int,
    *,
    sparse: bool = False,
) -> list[Publication]:
    """What is published in an interval, in order.

    Args:
        seed: Of the market.
        series: The timetable.
        begin: The first instant that messages are about; `Series.first` goes back
            further.
        after: Messages published until then are left out.
        until: The end, included.
        sparse: Whether frequent forecasts are thinned out.
    """
    found = []
    for one in series:
        start = max(begin, after - one.late)
        for publication in one.publications(seed, start, until, sparse=sparse):
            again = publication.published + _REPEAT_SECONDS
            if publication.published > after:
                found.append(publication)
            if after < again <= until and _is_repeated(seed, publication):
                found.append(
                    Publication(again, one, publication.about, publication.part, True)
                )
    return sorted(found, key=lambda one: one.published)


def timetable() -> tuple[Series, ...]:
    """The series of all datasets of the registry."""
    known = {one.dataset for one in _MODELLED}
    registry = load_registry()
    others = [_without_model(d) for name, d in registry.items() if name not in known]
    return (*_MODELLED, *others)


def _is_repeated(seed: int, publication: Publication) -> bool:
    name = f"repeat {publication.series.dataset} {publication.part}"
    return happens(seed, name, publication.about, REPEATED_SHARE)


def _after(seconds: int) -> When:
    return lambda seed, about, part: about + seconds


def _at_local(hours: float) -> When:
    """At an hour of the British clock, of the day that the message is about."""
    seconds = int(hours * HOUR_SECONDS)
    return lambda seed, about, part: midnight(day_of(about)) + seconds


def _corrected(name: str, seconds: int) -> When:
    """A while after the first value, for a few of them."""

    def when(seed: int, about: int, part: int) -> int | None:
        number = about // HALF_HOUR_SECONDS
        corrected = happens(seed, f"correct {name}", number, CORRECTED_SHARE)
        return about + seconds if corrected else None

    return when


def _next_working_day(seed: int, about: int, part: int) -> int:
    """The same time on the next working day, after 24 h 40 min at the earliest."""
    published = about + DAY_SECONDS + 40 * _MINUTE
    while is_holiday(day_of(published)):
        published += DAY_SECONDS
    return published


def _whole(maker: Maker) -> PartMaker:
    return lambda seed, about, part, published: maker(seed, about, published)


def _half_hourly(dataset: str, seconds: int, maker: Maker) -> Series:
    """About every half-hour, published some seconds after its beginning."""
    return Series(dataset, HALF_HOUR_SECONDS, _after(seconds), _whole(maker))


def _regular(
    dataset: str, step: int, seconds: int, maker: Maker, sparse: int = 1
) -> Series:
    """Forecasts: a message every step, and the one before the beginning."""
    return Series(dataset, step, _after(seconds), _whole(maker), first=1, sparse=sparse)


def _daily(dataset: str, hours: float, maker: Maker) -> Series:
    """Every day at an hour of the British clock; about noon, UTC."""

    def when(seed: int, about: int, part: int) -> int:
        day = day_of(about + DAY_SECONDS // 2)
        return midnight(day) + int(hours * HOUR_SECONDS)

    def make(seed: int, about: int, part: int, published: int) -> list[Record]:
        return maker(seed, about + DAY_SECONDS // 2, published)

    late = 2 * DAY_SECONDS
    return Series(
        dataset, DAY_SECONDS, when, make, first=2, early=DAY_SECONDS, late=late
    )


def _rarely(dataset: str, step: int, maker: Maker) -> Series:
    return Series(
        dataset,
        step,
        _after(9 * HOUR_SECONDS),
        _whole(maker),
        first=1,
        late=DAY_SECONDS,
    )


def _by_party(
    dataset: str, step: int, seconds: int, maker: Callable[..., list[Record]]
) -> Series:
    """A message from each party, one after the other."""

    def when(seed: int, about: int, part: int) -> int:
        return about + seconds + 75 * part

    def make(seed: int, about: int, part: int, published: int) -> list[Record]:
        units = UNITS_OF_PARTY[PARTIES[part]]
        if dataset in ("MELS", "MILS"):
            return maker(seed, units, about, published)
        if dataset in physical.DYNAMICS:
            return maker(dataset, seed, units, about)
        return maker(seed, units, about)

    return Series(dataset, step, when, make, parts=len(PARTIES))


def _acceptance_time(seed: int, about: int, part: int) -> int | None:
    made = acceptances(seed, about // HALF_HOUR_SECONDS)
    return made[part].accepted + _MINUTE if part < len(made) else None


def _acceptance(seed: int, about: int, part: int, published: int) -> list[Record]:
    return balancing.boalf(acceptances(seed, about // HALF_HOUR_SECONDS)[part])


def _report_time(seed: int, about: int, part: int) -> int | None:
    unit, revision = UNITS[part // _MOST_REPORTS], part % _MOST_REPORTS
    event = outage(seed, unit, about // WINDOW_SECONDS)
    if event is None or revision >= len(event.reports):
        return None
    return event.reports[revision].published


def _report(seed: int, about: int, part: int, published: int) -> list[Record]:
    event = outage(seed, UNITS[part // _MOST_REPORTS], about // WINDOW_SECONDS)
    if event is None:
        return []
    return capacity.remit(event, event.reports[part % _MOST_REPORTS])


def _without_model(dataset: Dataset) -> Series:
    """Twice a day, with values of the right type."""

    def make(seed: int, about: int, part: int, published: int) -> list[Record]:
        rng = random.Random(f"{seed} {dataset.name} {about}")  # noqa: S311
        number = about // _MINUTE % 100_000
        count = _RECORDS_WITHOUT_MODEL
        _, body = generate_message(dataset, utc(published), number, rng, count)
        records: list[dict[str, Any]] = orjson.loads(body)
        return records

    return Series(dataset.name, 12 * HOUR_SECONDS, _after(600), make, first=1)


_RUN_SECONDS = HALF_HOUR_SECONDS + 22 * _MINUTE
_POSITIONS_SECONDS = -GATE_SECONDS + 2 * _MINUTE
_QUARTER_DAY = 6 * HOUR_SECONDS

_MODELLED = (
    # measured
    Series("FREQ", 120, _after(120), _whole(outturn.freq)),
    Series("FUELINST", 300, _after(300), _whole(outturn.fuelinst)),
    _half_hourly("FUELHH", 1800, outturn.fuelhh),
    Series(
        "FUELHH",
        HALF_HOUR_SECONDS,
        _corrected("FUELHH", 5400),
        _whole(outturn.fuelhh_corrected),
    ),
    _half_hourly("INDO", 1800, outturn.indo),
    Series(
        "INDO",
        HALF_HOUR_SECONDS,
        _corrected("INDO", 3600),
        _whole(outturn.indo_corrected),
    ),
    _half_hourly("ITSDO", 1800, outturn.itsdo),
    _half_hourly("MID", 2100, outturn.mid),
    _half_hourly("mibm_mid", 2160, outturn.mibm_mid),
    _half_hourly("NONBM", 2400, outturn.nonbm),
    _half_hourly("ATL", 6900, outturn.atl),
    _half_hourly("AGPT", 8940, outturn.agpt),
    _half_hourly("AGWS", 8970, outturn.agws),
    Series("SOSO", HOUR_SECONDS, _after(-3600), _whole(outturn.soso)),
    _daily("INDOD", 0.25, outturn.indod),
    _daily("TEMP", 15.75, outturn.temp),
    # forecasts
    _regular("NDF", 2 * HOUR_SECONDS, 1020, outlook.ndf),
    _regular("TSDF", _QUARTER_DAY, 1020, outlook.tsdf, sparse=4),
    _regular("INDDEM", _QUARTER_DAY, 1025, outlook.inddem, sparse=4),
    _regular("INDGEN", _QUARTER_DAY, 1030, outlook.indgen, sparse=4),
    _regular("IMBALNGC", _QUARTER_DAY, 1035, outlook.imbalngc, sparse=4),
    _regular("MELNGC", _QUARTER_DAY, 1040, outlook.melngc, sparse=4),
    _regular("WINDFOR", 3 * HOUR_SECONDS, 1800, outlook.windfor),
    _regular("LOLPDM", HALF_HOUR_SECONDS, 240, outlook.lolpdm),
    _daily("NDFD", 14.0, outlook.by_day("NDFD", "demand")),
    _daily("TSDFD", 14.0, outlook.by_day("TSDFD", "demand")),
    _daily("OCNMFD", 14.5, outlook.by_day("OCNMFD", "surplus")),
    _daily("OCNMFD2", 14.5, outlook.by_day("OCNMFD2", "margin")),
    _rarely("NDFW", _WEEK_SECONDS, outlook.by_week("NDFW", "demand", 52)),
    _rarely("TSDFW", _WEEK_SECONDS, outlook.by_week("TSDFW", "demand", 52)),
    _rarely("OCNMFW", _WEEK_SECONDS, outlook.by_week("OCNMFW", "surplus", 52)),
    _rarely("OCNMFW2", _WEEK_SECONDS, outlook.by_week("OCNMFW2", "margin", 52)),
    _rarely("OCNMF3Y", _WEEK_SECONDS, outlook.by_week("OCNMF3Y", "surplus", 156)),
    _rarely("OCNMF3Y2", _WEEK_SECONDS, outlook.by_week("OCNMF3Y2", "margin", 156)),
    _daily("DATL", 9.0, outlook.datl),
    _daily("DAG", 17.0, outlook.dag),
    _daily("DGWS", 17.5, outlook.dgws),
    _rarely("WATL", _WEEK_SECONDS, outlook.watl),
    _rarely("MATL", _WEEK_SECONDS, outlook.matl),
    _rarely("YATL", _WEEK_SECONDS, outlook.yatl),
    _rarely("YAFM", _YEAR_SECONDS, outlook.yafm),
    # capacities and outages
    _regular("UOU2T14D", HOUR_SECONDS, 660, capacity.uou2t14d, sparse=6),
    _regular("FOU2T14D", HOUR_SECONDS, 665, capacity.fou2t14d, sparse=6),
    _regular("NOU2T14D", HOUR_SECONDS, 670, capacity.nou2t14d, sparse=6),
    _rarely("UOU2T3YW", _WEEK_SECONDS, capacity.uou2t3yw),
    _rarely("FOU2T3YW", _WEEK_SECONDS, capacity.fou2t3yw),
    _rarely("NOU2T3YW", _WEEK_SECONDS, capacity.nou2t3yw),
    _rarely("IGCPU", _YEAR_SECONDS, capacity.igcpu),
    _rarely("IGCA", _YEAR_SECONDS, capacity.igca),
    Series(
        "REMIT",
        WINDOW_SECONDS,
        _report_time,
        _report,
        parts=_MOST_REPORTS * len(UNITS),
        first=1,
        early=WINDOW_SECONDS,
        late=2 * WINDOW_SECONDS,
    ),
    # notified by participants
    _by_party("PN", HALF_HOUR_SECONDS, _POSITIONS_SECONDS, physical.pn),
    _by_party("QPN", HALF_HOUR_SECONDS, _POSITIONS_SECONDS + 10, physical.qpn),
    _by_party("BOD", HALF_HOUR_SECONDS, _POSITIONS_SECONDS + 20, physical.bod),
    _by_party("MELS", HALF_HOUR_SECONDS, _POSITIONS_SECONDS + 30, physical.mels),
    _by_party("MILS", HALF_HOUR_SECONDS, _POSITIONS_SECONDS + 40, physical.mils),
    *(
        _by_party(name, _QUARTER_DAY, -GATE_SECONDS + 11 * place, physical.dynamics)
        for place, name in enumerate(physical.DYNAMICS)
    ),
    # balancing
    Series(
        "BOALF",
        HALF_HOUR_SECONDS,
        _acceptance_time,
        _acceptance,
        parts=_MOST_ACCEPTANCES,
    ),
    _half_hourly("DISBSAD", HALF_HOUR_SECONDS + 900, balancing.disbsad),
    _half_hourly("NETBSAD", HALF_HOUR_SECONDS + 930, balancing.netbsad),
    _half_hourly("QAS", HALF_HOUR_SECONDS + 960, balancing.qas),
    _half_hourly("DISEBSP", _RUN_SECONDS, balancing.disebsp),
    Series(
        "DISEBSP",
        HALF_HOUR_SECONDS,
        _next_working_day,
        _whole(balancing.disebsp_again),
        late=_LONGEST_WEEKEND_SECONDS,
    ),
    _half_hourly("ISPSTACK", _RUN_SECONDS + 5, balancing.ispstack),
    _half_hourly("BOAV", _RUN_SECONDS + 10, balancing.boav),
    _half_hourly("DISPTAV", _RUN_SECONDS + 15, balancing.disptav),
    _half_hourly("EBOCF", _RUN_SECONDS + 20, balancing.ebocf),
)
