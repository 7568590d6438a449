"""`ARRAY_AGG` with `IGNORE NULLS` and a limit: the limit counts what is left.

Source: GoogleSQL's page on aggregate function calls.
"""

from typing import Any

from sqlglot import exp


def without_nulls(tree: Any, _: object) -> Any:
    """Drops nulls before the limit; DuckDB would do so after it."""
    for nulls in list(tree.find_all(exp.IgnoreNulls)):
        if isinstance(nulls.this, exp.ArrayAgg):
            nulls.replace(_array(nulls.this))
    return tree


def _array(aggregate: Any) -> Any:
    inner, limit = aggregate.this, None
    if isinstance(inner, exp.Limit):
        inner, limit = inner.this, inner.expression
    value = inner.this if isinstance(inner, exp.Order) else inner
    if isinstance(value, exp.Distinct):
        [value] = value.expressions
    present = exp.Not(this=exp.Is(this=value.copy(), expression=exp.null()))
    kept = exp.Filter(
        this=exp.ArrayAgg(this=inner.copy()), expression=exp.Where(this=present)
    )
    if limit is None:
        return kept
    return exp.func("list_slice", kept, exp.Literal.number(1), limit.copy())
