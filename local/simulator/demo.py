"""The demo feed: the messages of an invented market, from yesterday on.

`local/simulator/market` says what happens in the market. The feed begins with what was
published since yesterday began, and goes on as the clock does.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import orjson

from local.simulator.market.instants import day_of, midnight
from local.simulator.market.records.physical import DYNAMICS, dynamics
from local.simulator.market.units import UNITS
from local.simulator.sample_folder import Sample
from local.simulator.timetable import Publication, publications, timetable

SEED = 2026
"""Of the market that everyone sees who sets no other."""

_HORIZON_SECONDS = 600
"""The timetable is read for this much time at once."""


def now_seconds() -> int:
    return int(datetime.now(UTC).timestamp())


class Demo:
    """The messages of the market: first those of the past, then those that are due.

    Attributes:
        seed: Of the market.
    """

    def __init__(
        self,
        seed: int = SEED,
        sent_until: int | None = None,
        clock: Callable[[], int] = now_seconds,
    ) -> None:
        """Finds where to begin.

        Args:
            seed: Of the market.
            sent_until: Until when an earlier feed has sent everything; None if there
                was none.
            clock: Seconds since 1970.
        """
        self.seed = seed
        self._clock = clock
        self._timetable = timetable()
        started = clock()
        self._begin = midnight(day_of(started) - timedelta(days=1))
        self._sent_until = sent_until or 0
        self._read_until = started
        self._upcoming: list[Publication] = []
        self._redeclared = started

    def backlog(self) -> Iterator[tuple[int, Sample]]:
        """Everything published so far, with the time of publication.

        The first message of each dataset comes first, so that no table waits long.
        """
        past = publications(
            self.seed,
            self._timetable,
            self._begin,
            self._sent_until,
            self._read_until,
            sparse=True,
        )
        firsts: dict[str, Publication] = {}
        for publication in past:
            firsts.setdefault(publication.series.dataset, publication)
        for publication in firsts.values():
            for sample in self._sample(publication):
                # Until the others are sent, too, nothing is complete.
                yield past[0].published - 1, sample
        sent = set(map(id, firsts.values()))
        for publication in past:
            if id(publication) not in sent:
                for sample in self._sample(publication):
                    yield publication.published, sample

    def due(self) -> Iterator[tuple[int, Sample]]:
        """What has been published since the last call, with the time of it."""
        now = self._clock()
        if now >= self._read_until:
            until = now + _HORIZON_SECONDS
            self._upcoming += publications(
                self.seed, self._timetable, self._begin, self._read_until, until
            )
            self._read_until = until
        while self._upcoming and self._upcoming[0].published <= now:
            publication = self._upcoming.pop(0)
            for sample in self._sample(publication):
                yield publication.published, sample

    def redeclaration(self) -> Sample:
        """A unit declares its dynamic data again: a ramp rate, a notice, a limit."""
        now = self._clock()
        self._redeclared += 1
        number = self._redeclared
        dataset, unit = DYNAMICS[number % len(DYNAMICS)], UNITS[number % len(UNITS)]
        records = dynamics(dataset, self.seed, [unit], now)
        minute = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d%H%M")
        name = f"{dataset}_{minute}_{number}.json"
        return Sample(dataset, name, orjson.dumps(records))

    def _sample(self, publication: Publication) -> Iterator[Sample]:
        """Its message; none if it has no records."""
        if records := publication.records(self.seed):
            dataset, name = publication.series.dataset, publication.message_id
            yield Sample(dataset, name, orjson.dumps(records))
