"""A measurement: a value, what it is beside in the same run, and what it should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Target:
    """What a measurement should be.

    Attributes:
        of: The ratio to what it is beside, or the value itself.
        bound: At least or at most so much.
        at_most: Which of both.
    """

    bound: float
    of: Literal["ratio", "value"] = "ratio"
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured once.

    Attributes:
        name: What was measured, for a reader.
        value: How much.
        unit: Of value and reference, such as `records/s`.
        against: What it is beside, measured in the same run; None for nothing.
        reference: How much that was.
        target: What it should be; None for context.
        meaning: What the ratio says, in a sentence.
        context: Other figures of the same run.
    """

    name: str
    value: float
    unit: str
    against: str | None = None
    reference: float | None = None
    target: Target | None = None
    meaning: str = ""
    context: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """The value over what it is beside."""
        return self.value / self.reference if self.reference else None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        figure = self.value if self.target.of == "value" else self.ratio
        if figure is None:
            return False
        if self.target.at_most:
            return figure <= self.target.bound
        return figure >= self.target.bound

    def to_json(self) -> dict[str, Any]:
        """As `results.json` has it."""
        return {**asdict(self), "ratio": self.ratio, "is_met": self.is_met}
