"""Which turns of a loop are the same, and so are drawn once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from dlspec.ir.graph import Graph, Node, Scope, Value

# Where a turn takes a tensor from: the same one in every turn, or an output of a node of the turn before it.
_Origin: TypeAlias = "Value | tuple[int, int]"


@dataclass(slots=True)
class Turn:
    """An iteration of a loop: its nodes, and what they take from outside in the order in which they first use it."""

    scope: Scope
    nodes: list[Node]
    taken: list[Value]
    signature: tuple[Any, ...]


class Repeats:
    """Finds turns that are equal: the same operators with the same arguments, joined in the same way, with the same types
    of results, in the same blocks. What flows in may differ in its channels, and the weights may differ in name and size.
    """

    def __init__(self, graph: Graph) -> None:
        self._users: dict[Value, list[Node]] = {}
        self._results = {output.value for output in graph.outputs}
        for node in graph.nodes:
            for value in node.inputs:
                self._users.setdefault(value, []).append(node)

    def runs(self, loop: Scope) -> list[list[Turn]]:
        """The turns of a `repeat` or `for` that have nodes, in order, equal neighbours together."""
        runs: list[list[Turn]] = []
        link: list[_Origin] | None = None
        for scope in loop.children:
            turn = _turn(scope) if isinstance(scope, Scope) else None
            if turn is None:
                continue
            if runs:
                linked = self._link(runs[-1][-1], turn)
                if linked is not None and (link is None or linked == link):
                    runs[-1].append(turn)
                    link = linked
                    continue
            runs.append([turn])
            link = None
        return runs

    def _link(self, one: Turn, other: Turn) -> list[_Origin] | None:
        """Where each tensor comes from that the second turn takes; None where it is not the first one again."""
        if one.signature != other.signature:
            return None
        positions = {value: (i, k) for i, node in enumerate(one.nodes) for k, value in enumerate(node.outputs)}
        link: list[_Origin] = []
        for before, value in zip(one.taken, other.taken, strict=True):
            if value in positions:
                link.append(positions[value])
            elif value is before:
                link.append(value)
            else:
                return None
        within = {*one.nodes, *other.nodes}
        for value in positions:
            if value in self._results or not within.issuperset(self._users.get(value, ())):
                return None
        return link


def _turn(scope: Scope) -> Turn | None:
    nodes = list(scope.nodes())
    index = {node: i for i, node in enumerate(nodes)}
    taken: dict[Value, int] = {}
    around: dict[Scope, tuple[Any, ...]] = {scope: ()}
    signature: list[Any] = []
    for node in nodes:
        sources: list[Any] = []
        for value in node.inputs:
            producer = value.producer
            if producer in index:
                sources.append((index[producer], producer.outputs.index(value)))
            else:
                sources.append(taken.setdefault(value, len(taken)))
        types = tuple([value.type for value in node.outputs])
        signature.append((node.op, types, tuple(sources), _place(node.scope, around)))
    return Turn(scope, nodes, list(taken), tuple(signature)) if nodes else None


def _place(scope: Scope, around: dict[Scope, tuple[Any, ...]]) -> tuple[Any, ...]:
    """The scopes between a turn and something in it, but for what they are called."""
    if scope not in around:
        assert scope.parent is not None
        around[scope] = (*_place(scope.parent, around), (scope.kind, scope.declaration))
    return around[scope]


def counterparts(turns: Sequence[Turn]) -> dict[Node, Node]:
    """For each node of the later turns the one of the first turn that is drawn for it."""
    first, *others = turns
    return {node: drawn for turn in others for node, drawn in zip(turn.nodes, first.nodes, strict=True)}
