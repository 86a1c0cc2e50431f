"""Which turns of a loop are the same, and so are drawn once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeAlias

from dlspec.backends.diagram.kinds import call
from dlspec.ir.graph import Graph, Node, Scope, Value

# Where a turn takes a tensor from: the same one in every turn, or an output of a node of the turn before it.
_Origin: TypeAlias = "Value | tuple[int, int]"


class Turn:
    """An iteration of a loop with its nodes."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.nodes = list(scope.nodes())

    @cached_property
    def joined(self) -> tuple[tuple[Any, ...], list[Value]]:
        """What the nodes are and how they are joined, and what they take from outside in the order of first use."""
        return _joined(self.scope, self.nodes)


class Repeats:
    """Finds turns that are equal: the same operators with the same arguments, joined in the same way, with the same types
    of what flows in and out and weights of the same shapes, in instances of the same templates that are given the same.
    One box says of all of them what is true of each.

    ``apart`` says which turns stand for themselves though they are equal to others.
    """

    def __init__(self, graph: Graph, apart: Callable[[Scope], bool] = lambda _: False) -> None:
        self._results = {output.value for output in graph.outputs}
        self._apart = apart

    def runs(self, loop: Scope) -> list[list[Turn]]:
        """The turns of a `repeat` or `for` that have nodes, in order, equal neighbours together."""
        runs: list[list[Turn]] = []
        link: list[_Origin] | None = None
        for scope in loop.children:
            if not isinstance(scope, Scope):
                continue
            turn = Turn(scope)
            if not turn.nodes:
                continue
            if runs and not self._apart(scope) and not self._apart(runs[-1][-1].scope):
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
        if len(one.nodes) != len(other.nodes) or self._reaches_beyond(one, other):
            return None
        (signature, taken), (again, takes) = one.joined, other.joined
        if signature != again:
            return None
        positions = {value: (i, k) for i, node in enumerate(one.nodes) for k, value in enumerate(node.outputs)}
        link: list[_Origin] = []
        for before, value in zip(taken, takes, strict=True):
            if value in positions:
                link.append(positions[value])
            elif value is before:
                link.append(value)
            else:
                return None
        return link

    def _reaches_beyond(self, one: Turn, other: Turn) -> bool:
        """Whether something outside of two turns uses what the first computes."""
        within = {*one.nodes, *other.nodes}
        return any(
            value in self._results or not within.issuperset(value.uses) for node in one.nodes for value in node.outputs
        )


def _joined(turn: Scope, nodes: Sequence[Node]) -> tuple[tuple[Any, ...], list[Value]]:
    index = {node: i for i, node in enumerate(nodes)}
    taken: dict[Value, int] = {}
    regions = {turn: 0}
    signature: list[Any] = []

    def region(scope: Scope) -> int:
        """The number of a scope in the turn; a new one is written down with the number of that around it."""
        if scope not in regions:
            assert scope.parent is not None
            around = region(scope.parent)
            regions[scope] = len(regions)
            signature.append((around, call(scope)))
        return regions[scope]

    for node in nodes:
        sources: list[Any] = []
        for value in node.inputs:
            producer = value.producer
            if producer in index:
                sources.append((index[producer], producer.gives.index(value)))
            else:
                sources.append(taken.setdefault(value, len(taken)))
        types = tuple([value.type for value in (*node.inputs, *node.outputs)])
        weights = tuple([weight.shape for weight in node.weights])
        signature.append((region(node.scope), node.op, types, weights, tuple(sources)))
    return tuple(signature), list(taken)


def counterparts(turns: Sequence[Turn]) -> dict[Node, Node]:
    """For each node of the later turns the one of the first turn that is drawn for it."""
    first, *others = turns
    return {node: drawn for turn in others for node, drawn in zip(turn.nodes, first.nodes, strict=True)}
