"""The outcome: what `apply` did to tables or views."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """What was done to tables or views.

    Attributes:
        created: New tables and views.
        extended: Tables with the columns added to them.
        widened: Tables with the columns that now have a wider type.
        unkeyed: Tables whose primary key was removed.
        replaced: Views that had changed.
        unchanged: Tables and views that were up to date.
        conflicts: What was not changed and why, one line each.
        histories: Historic tables that the views read.
        notes: What else the user should know, one line each.
    """

    created: list[str] = field(default_factory=list)
    extended: dict[str, list[str]] = field(default_factory=dict)
    widened: dict[str, list[str]] = field(default_factory=dict)
    unkeyed: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    histories: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
