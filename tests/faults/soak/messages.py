"""The messages of a soak: a function of the seed and the number, so none is kept.

Most become rows. Some come again under another id, some cannot become a row, and some
are of a dataset that nobody knows: every end that the ledger counts.
"""

import random
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal, NamedTuple

import orjson

from local.simulator.generator import generate_message
from pipeline.core.identity import record_id
from pipeline.registry import Dataset, load_registry

Kind = Literal["good", "copy", "broken", "mixed", "unknown"]
SHARES: dict[Kind, float] = {
    "good": 94,
    "copy": 3,  # of an earlier message: all of its records are duplicates
    "broken": 1,  # no JSON: one dead letter
    "mixed": 1,  # good records, and one that is not an object: a dead letter
    "unknown": 1,  # of no dataset that is known
}
# How far back a copy may look: well within the horizon of the dedup.
COPY_REACH = 5_000
# The real feed is as uneven: a few datasets send most of the messages.
FREQUENT = ("BOALF", "BOD", "FREQ", "FUELINST", "MELS", "MILS", "PN", "QPN", "REMIT")
FREQUENT_SHARE = 0.6
RECORDS = (1, 1, 1, 2, 4)
UNKNOWN = "SOAKNEW"


class Message(NamedTuple):
    """One message, and what must become of it.

    Attributes:
        records: Ids of the records that must become rows.
        refused: Dead letters.
    """

    number: int
    kind: Kind
    dataset: str
    message_id: str
    body: bytes
    records: tuple[str, ...]
    refused: int


class Messages:
    """All messages of one soak."""

    def __init__(self, seed: int, started: datetime, rate: float) -> None:
        """Makes nothing yet.

        Args:
            seed: Equal ones make equal messages.
            started: The time of the first message.
            rate: Messages a second, for the times of the others.
        """
        self._seed, self._started, self._rate = seed, started, rate

    def message(self, number: int) -> Message:
        rng = random.Random(f"{self._seed} {number}")
        (kind,) = rng.choices(list(SHARES), list(SHARES.values()))
        if kind == "copy" and number:
            return self._copy(number, rng.randint(1, min(number, COPY_REACH)))
        return self._original(number, "good" if kind == "copy" else kind, rng)

    def _copy(self, number: int, back: int) -> Message:
        original = self.message(number - back)
        # A dead letter of a copy is another dead letter: its message has another id.
        name = original.message_id.removesuffix(".json")
        return original._replace(
            number=number, kind="copy", message_id=f"{name}_copy{number}.json"
        )

    def _original(self, number: int, kind: Kind, rng: random.Random) -> Message:
        model = self._dataset(rng)
        now = self._started + timedelta(seconds=number / self._rate)
        message_id, text = generate_message(
            model, now, number, rng, records=rng.choice(RECORDS)
        )
        dataset, refused = model.name, 0
        found: list[Any] = orjson.loads(text)
        good = tuple(record_id(dataset, record) for record in found)
        if kind == "mixed":
            text, refused = orjson.dumps([*found, number]), 1
        elif kind == "broken":
            text, refused, good = text[: len(text) // 2], 1, ()
        elif kind == "unknown":
            message_id = message_id.replace(dataset, UNKNOWN, 1)
            dataset, good = UNKNOWN, ()
        body = orjson.dumps(text.decode())
        return Message(number, kind, dataset, message_id, body, good, refused)

    def _dataset(self, rng: random.Random) -> Dataset:
        if rng.random() < FREQUENT_SHARE:
            return self._registry[rng.choice(FREQUENT)]
        return rng.choice(self._all)

    @cached_property
    def _registry(self) -> Any:
        return load_registry()

    @cached_property
    def _all(self) -> list[Dataset]:
        return list(self._registry.values())
