"""What some outputs need, with shared layers whole where a part of one is needed at one of its uses and not at another."""

from __future__ import annotations

from collections.abc import Iterable

from dlspec.ir.graph import Graph
from dlspec.ir.node import Node, Value


def needed_whole(graph: Graph, values: Iterable[Value]) -> list[Node]:
    """The nodes that some tensors depend on, in order, and in each use of a shared layer of which something is needed what
    any of these uses needs: so that all are calls of one thing."""
    counterparts = _counterparts(graph)
    wanted, nodes = {*values}, list[Node]()
    while True:
        before, nodes = len(nodes), graph.needed(wanted)
        if len(nodes) == before:
            return nodes
        needed = {*nodes}
        for uses in counterparts:
            alive = [use for use in uses if not needed.isdisjoint(use)]
            for alike in zip(*alive, strict=True):
                if not needed.isdisjoint(alike):
                    wanted |= {value for node in alike if not node.training for value in node.outputs}


def _counterparts(graph: Graph) -> list[list[list[Node]]]:
    """For each shared layer with parts, the nodes of each of its uses, which are the same steps with the same weights."""
    uses: dict[str, list[list[Node]]] = {}
    for scope in graph.root.scopes():
        if (
            scope.opens
            and scope.parent is not None
            and all(each.path != scope.path for each in scope.parent.ancestors())
        ):
            uses.setdefault(scope.path, []).append([*scope.nodes()])
    return [found for found in uses.values() if len(found) > 1 and len({repr(_steps(use)) for use in found}) == 1]


def _steps(use: list[Node]) -> list[object]:
    return [(node.op, [weight.path for weight in node.weights]) for node in use]
