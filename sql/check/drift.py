"""Drift: fields that Elexon sends and the registry does not know.

Nothing is lost: their values are in `extra`. But no query finds them there.
"""

from collections.abc import Iterator

from pipeline.registry import Registry
from sql.check.context import Context, Result, Status
from sql.drift.unknown_fields import unknown_fields

NAME = "drift"


def check(context: Context) -> Iterator[Result]:
    """Each such field is a warning."""
    known = Registry(context.present())
    fields = unknown_fields(context.client, context.path, known)
    for field in fields:
        kind = field.column.kind if field.column and not field.problem else None
        fits = f"{kind} fits every value" if kind else field.problem
        detail = (
            f"{field.field} in {field.rows:,} rows since "
            f"{field.first_seen:%Y-%m-%d %H:%M} UTC, for example {field.sample}: "
            f"{fits}; `python -m sql drift` shows more"
        )
        figures = {
            "field": field.field,
            "first_seen": field.first_seen,
            "sample": field.sample,
            "suggested_type": kind,
        }
        yield Result(
            NAME, field.dataset, Status.WARN, field.rows, "rows", detail, figures
        )
    if not fields:
        yield Result(NAME, None, Status.OK, 0, "rows", "no unknown fields")
