"""NaN: each comparison with it is false, except `!=`; DuckDB treats it as the largest.

Sources: GoogleSQL's pages on operators (comparison operators), mathematical functions
(GREATEST, LEAST), aggregate functions (MAX, MIN) and data types (its order).
"""

from typing import Any

from local_bigquery.sql.rules import typing
from sqlglot import exp

# The side that must not be NaN.
GUARDED = {
    **dict.fromkeys((exp.EQ, exp.GT, exp.GTE), ("this", "expression")),
    **dict.fromkeys((exp.LT, exp.LTE), ("expression", "this")),
}


def compared(node: Any, _: object) -> Any:
    """A comparison, `BETWEEN` or `IN` of a FLOAT64."""
    if type(node) in GUARDED:
        guarded, other = (node.args[side] for side in GUARDED[type(node)])
        if isinstance(node, exp.EQ) and not (_may_be(guarded) and _may_be(other)):
            return node
        return _guarded(node, guarded, other)
    if isinstance(node, exp.NEQ) and _may_be(node.this) and _may_be(node.expression):
        both = exp.And(
            this=_is_nan(node.this), expression=_is_not_null(node.expression)
        )
        return exp.Paren(this=exp.Or(this=node, expression=both))
    if isinstance(node, exp.Between) and _any_float(node.args.values()):
        low = exp.GTE(this=node.this.copy(), expression=node.args["low"])
        high = exp.LTE(this=node.this.copy(), expression=node.args["high"])
        sides = [_guarded(low, low.this, low.expression)]
        sides.append(_guarded(high, high.expression, high.this))
        return exp.Paren(this=exp.And(this=sides[0], expression=sides[1]))
    if isinstance(node, exp.In) and _may_be(node.this) and node.expressions:
        return _guarded(node, node.this, node.this)
    return node


def ordered(node: Any, context: object) -> Any:
    """`ORDER BY` in a window: NaN is after NULL and before the numbers.

    Elsewhere local-bigquery does so. A frame of numbers (`RANGE 5 PRECEDING`) needs one
    key, and NaN is in none.
    """
    if not isinstance(node, exp.Window) or (order := node.args.get("order")) is None:
        return node
    spec = node.args.get("spec")
    frame = spec is not None and spec.args.get("kind") == "RANGE"
    bounds = (spec.args.get(side) for side in ("start", "end")) if frame else ()
    if not any(isinstance(bound, exp.Expression) for bound in bounds):
        typing.nan_first(order.pop(), context)
        node.set("order", order)
    return node


def _guarded(node: Any, guarded: Any, other: Any) -> Any:
    if isinstance(node.parent, exp.Update) or not _may_be(guarded):
        return node
    number = exp.Not(this=_is_nan(guarded))
    nothing = exp.Is(this=other.copy(), expression=exp.null())
    guard = exp.Paren(this=exp.Or(this=number, expression=nothing))
    return exp.Paren(this=exp.And(this=node, expression=guard))


def _may_be(node: Any) -> bool:
    """Whether it may be NaN: a FLOAT64 that is not written as a number."""
    value = node.this if isinstance(node, exp.Cast) else node
    written = isinstance(value, exp.Literal) and "n" not in value.name.casefold()
    return typing.kind(node) in typing.FLOATS and not written


def _any_float(nodes: Any) -> bool:
    return any(isinstance(node, exp.Expression) and _may_be(node) for node in nodes)


def _is_nan(node: Any) -> Any:
    return exp.func("isnan", exp.cast(node.copy(), "DOUBLE"))


def _is_not_null(node: Any) -> Any:
    return exp.Not(this=exp.Is(this=node.copy(), expression=exp.null()))


def least(node: Any, _: object) -> Any:
    """`LEAST` and `MIN`, which are NaN if one of their values is."""
    if isinstance(node, exp.Least) and _any_float([node.this, *node.expressions]):
        values = [node.this, *node.expressions]
        found = [_is_nan(value) for value in values if _may_be(value)]
        return _nan_if(found, node)
    if isinstance(node, exp.Min) and _may_be(node.this):
        if isinstance(node.parent, (exp.Window, exp.Filter)):
            return node
        return _nan_if([exp.func("bool_or", _is_nan(node.this))], node)
    return node


def _nan_if(conditions: list[Any], node: Any) -> Any:
    nan = exp.cast(exp.convert("nan"), "DOUBLE")
    cases = [exp.If(this=condition, true=nan.copy()) for condition in conditions]
    return exp.Case(ifs=cases, default=node)
