"""Walking and copying trees of SQL, in fewer steps than sqlglot.

Each rule walks through the whole statement, and sqlglot does so in three generators
within each other. With these, translating a view takes a tenth less time; what they
return, and the order of it, is the same.
"""

from collections.abc import Callable, Iterator
from typing import Any

from sqlglot import exp

Tree = Any
NODE = exp.Expr
# Values of nodes that are never nodes: cheaper to ask than `isinstance`.
PLAIN = frozenset((type(None), bool, str, int))


def iter_expressions(self: Tree, reverse: bool = False) -> Iterator[Tree]:
    values = self.args.values()
    for value in reversed(values) if reverse else values:
        kind = value.__class__
        if kind in PLAIN:
            continue
        if kind is list:
            for item in reversed(value) if reverse else value:
                if isinstance(item, NODE):
                    yield item
        elif isinstance(value, NODE):
            yield value


def bfs(self: Tree, prune: Callable[[Tree], bool] | None = None) -> Iterator[Tree]:
    queue = [self]
    for node in queue:  # grows meanwhile
        yield node
        if prune and prune(node):
            continue
        _append_children(node, queue)


def find_all(self: Tree, *kinds: type, bfs: bool = True) -> Iterator[Tree]:
    if not bfs:
        yield from (node for node in self.dfs() if isinstance(node, kinds))
        return
    queue = [self]
    for node in queue:  # grows meanwhile
        if isinstance(node, kinds):
            yield node
        _append_children(node, queue)


def _append_children(node: Tree, queue: list[Tree]) -> None:
    for value in node.args.values():
        kind = value.__class__
        if kind in PLAIN:
            continue
        if kind is list:
            queue += [item for item in value if isinstance(item, NODE)]
        elif isinstance(value, NODE):
            queue.append(value)


def copy(self: Tree) -> Tree:
    """A copy of a tree; nodes that have one type in common have so afterwards."""
    return _copy(self, {})


def _copy(tree: Tree, types: dict[int, Tree]) -> Tree:
    top = _bare(tree, types)
    waiting = [(tree, top)]
    while waiting:
        node, made = waiting.pop()
        for key, value in node.args.items():
            kind = value.__class__
            if kind in PLAIN:
                made.args[key] = value
            elif kind is list:
                made.args[key] = [
                    _child(item, made, key, at, types, waiting)
                    if isinstance(item, NODE)
                    else item
                    for at, item in enumerate(value)
                ]
            elif isinstance(value, NODE):
                made.args[key] = _child(value, made, key, None, types, waiting)
            else:
                made.args[key] = value
    return top


def _child(
    node: Tree,
    parent: Tree,
    key: str,
    at: int | None,
    types: dict[int, Tree],
    waiting: list[tuple[Tree, Tree]],
) -> Tree:
    made = _bare(node, types)
    made.parent, made.arg_key, made.index = parent, key, at
    waiting.append((node, made))
    return made


def _bare(node: Tree, types: dict[int, Tree]) -> Tree:
    """A copy of a node, as yet without what is below it."""
    made = node.__class__()
    if node.comments is not None:
        made.comments = list(node.comments)
    if node._type is not None:
        made._type = _kept(node._type, types)
    if node._meta is not None:
        made._meta = {
            key: _kept(value, types) if isinstance(value, NODE) else value
            for key, value in node._meta.items()
        }
    return made


def _kept(node: Tree, types: dict[int, Tree]) -> Tree:
    found = types.get(id(node))
    if found is None:
        found = types[id(node)] = _copy(node, types)
    return found


def install() -> None:
    """Replaces those of sqlglot."""
    for kind in (exp.Expr, exp.Expression):
        kind.iter_expressions, kind.bfs, kind.find_all = iter_expressions, bfs, find_all
        kind.copy = copy
    exp.Expression.__deepcopy__ = lambda self, _: copy(self)
