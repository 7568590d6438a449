"""Axis: the columns that `start` and `end` mean."""

from dataclasses import dataclass

from command.text import listed
from command.usage import UsageError
from gb_iris.relation import Relation

SETTLEMENT_DATE = "settlementDate"
# Of what is not a table of one dataset.
_USUAL_TIMES = ("startTime", "timeFrom", "time")
_TIMES = ("DATE", "TIMESTAMP")


@dataclass(frozen=True, slots=True)
class Axis:
    """The columns that bounds are compared with.

    Attributes:
        day: The DATE column of a bound that is a day; None if that means its first
            instant in UTC.
        instant: The TIMESTAMP column of a bound that is an instant.
        within_day: Whether `instant` lies in the row's settlement period, so that the
            settlement date follows from it.
    """

    day: str | None
    instant: str | None
    within_day: bool = False

    @property
    def columns(self) -> list[str]:
        return [name for name in (self.instant, self.day) if name]


def axis(relation: Relation, time: str | None) -> Axis:
    """The axis of a table or view.

    Args:
        time: The column that the caller names instead of the usual ones.

    Raises:
        UsageError: It is not a time.
    """
    if time is not None:
        return _named(relation, time)
    times = _usual_times(relation)
    instants = (name for name in times if _kind(relation, name) == "TIMESTAMP")
    instant = next(instants, None)
    day = SETTLEMENT_DATE if _kind(relation, SETTLEMENT_DATE) == "DATE" else None
    return Axis(day, instant, _within_day(relation, instant))


def _named(relation: Relation, time: str) -> Axis:
    kind = relation.field(time, "time").field_type
    if kind == "DATE":
        return Axis(time, None)
    if kind == "TIMESTAMP":
        return Axis(None, time, _within_day(relation, time))
    raise UsageError(
        f"time: {time} is not a time: {relation.name} has {_times(relation)}"
    )


def no_axis(relation: Relation) -> UsageError:
    """The mistake of bounds without a column that they mean."""
    return UsageError(
        f"{relation.name}: say with time= which column start and end mean: "
        f"{_times(relation)}"
    )


def _within_day(relation: Relation, instant: str | None) -> bool:
    dataset = relation.dataset
    if not dataset or SETTLEMENT_DATE not in relation.fields:
        return False
    return instant in dataset.period_times


def _usual_times(relation: Relation) -> list[str]:
    if dataset := relation.dataset:
        return [*dataset.period_times, dataset.event_time]
    return [*filter(None, [relation.partition]), *_USUAL_TIMES]


def _kind(relation: Relation, name: str) -> str | None:
    field = relation.fields.get(name)
    return field.field_type if field and field.mode != "REPEATED" else None


def _times(relation: Relation) -> str:
    names = [name for name in relation.fields if _kind(relation, name) in _TIMES]
    return listed(names, limit=6) or "it has no times"
