"""Names: of the SELECT list before the table in GROUP BY and HAVING, and of fields."""

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

GROUPINGS = exp.Tuple, exp.Paren, exp.Rollup, exp.Cube, exp.GroupingSets


def group_by_aliases(tree: Any, _: object) -> Any:
    """Names in GROUP BY as positions: the SELECT list comes before the table."""
    for group in list(tree.find_all(exp.Group)):
        select = group.parent
        listed = {
            item.alias.casefold(): (position, item.this)
            for position, item in enumerate(select.expressions, 1)
            if isinstance(item, exp.Alias)
        }
        # Positions do not fit an array of structs (one column) or a star (many).
        in_order = not (select.args.get("kind") or select.is_star)
        for key in list(_grouped_names(group)):
            if found := listed.get(key.name.casefold()):
                position = exp.Literal.number(found[0])
                key.replace(position if in_order else found[1].copy())
        if having := select.args.get("having"):
            for name in list(_own_names(having)):
                if found := listed.get(name.name.casefold()):
                    name.replace(exp.Paren(this=found[1].copy()))
    return tree


def _own_names(having: Any) -> Iterator[Any]:
    """Names of a HAVING that are not inside an aggregate or a query."""
    for name in having.find_all(exp.Column):
        around = name.find_ancestor(exp.AggFunc, exp.Query, exp.Having)
        if around is having and not name.table:
            yield name


def _grouped_names(node: Any) -> Iterator[Any]:
    for item in node.iter_expressions():
        if isinstance(item, exp.Column) and not item.table:
            yield item
        elif isinstance(item, GROUPINGS):
            yield from _grouped_names(item)


def named_fields(tree: Any, _: object) -> Any:
    """`STRUCT(a, t.b)` has the fields `a` and `b`."""
    for struct in list(tree.find_all(exp.Struct)):
        if isinstance(struct.parent, exp.Cast):
            continue
        for field in list(struct.expressions):
            if isinstance(field, (exp.Column, exp.Dot)) and field.name:
                name = exp.to_identifier(field.name)
                field.replace(exp.PropertyEQ(this=name, expression=field.copy()))
    return tree
