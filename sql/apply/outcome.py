"""The outcome: what `apply` did to tables or views."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """What was done.

    Attributes:
        created: Tables and views made.
        extended: Tables with the columns added to them.
        widened: Tables with the columns that have a wider type now.
        replaced: Views made anew.
        unchanged: Tables and views that were as they are to be.
        conflicts: What stands in the way, one line each; it was left alone.
        histories: Historic tables that the views read.
        notes: What else the user should know, one line each.
    """

    created: list[str] = field(default_factory=list)
    extended: dict[str, list[str]] = field(default_factory=dict)
    widened: dict[str, list[str]] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    histories: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
