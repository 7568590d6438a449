"""A measurement: a value, a reference of the same run, and the target."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Target:
    """What a measurement should be.

    Attributes:
        bound: The least, or with `at_most` the largest figure that meets it.
        of: Which figure: the ratio to the reference, or the value.
    """

    bound: float
    of: Literal["ratio", "value"] = "ratio"
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured value.

    Attributes:
        name: What was measured, for a reader.
        unit: Of value and reference, such as `records/s`.
        against: What the reference is, measured in the same run; None for none.
        target: None if the value is only context.
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
        """The value divided by the reference."""
        return self.value / self.reference if self.reference else None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None without a target."""
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
