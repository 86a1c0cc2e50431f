"""Which turns of a loop are the same, and so are drawn once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, TypeAlias

from dlspec.backends.diagram.kinds import call
from dlspec.backends.diagram.scene import is_expression
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node, Value
from dlspec.ir.scope import Scope
from dlspec.syntax import ast

# Where a turn takes a tensor from: the same one in every turn, an output of a node of the turn before it, or one that is
# another in each turn.
_Origin: TypeAlias = "Value | tuple[int, int] | Literal['each']"
# An output of a node of a turn, by their places.
_Which: TypeAlias = tuple[int, int]
# The same, the node that is drawn for who takes it, and at which place; None for what takes it of all turns.
_Use: TypeAlias = "tuple[_Which, Node, int | None]"


class Turn:
    """An iteration of a loop with its nodes."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.nodes = list(scope.nodes())

    @cached_property
    def joined(self) -> tuple[tuple[Any, ...], list[Value]]:
        """What the nodes are and how they are joined, and what they take from outside in the order of first use."""
        return _joined(self.scope, self.nodes)

    def outputs(self) -> Iterator[tuple[_Which, Value]]:
        """What the nodes give, by their place and its own."""
        for place, node in enumerate(self.nodes):
            for out, value in enumerate(node.outputs):
                yield (place, out), value

    def output(self, which: _Which) -> Value:
        return self.nodes[which[0]].outputs[which[1]]


@dataclass(frozen=True, slots=True)
class Each:
    """A tensor of which every turn of a loop gives its own: ``turn`` is the first one, ``order`` that in which they are
    taken, where it is another. ``gathered`` where one box takes all of them."""

    turn: Scope
    gathered: bool
    order: Literal["", "last first", "in another order"]

    def __str__(self) -> str:
        return f"each turn's, {self.order}:" if self.order else "each turn's"


class Repeats:
    """Finds turns that are equal: the same operators with the same arguments, joined in the same way, with the same types
    of what flows in and out and weights of the same shapes, in instances of the same templates that are given the same.
    One box says of all of them what is true of each. An index may be another one in each turn: its box has its text.

    What turns give to others the same box has to take from each. What they take from others has to be the same tensor, or
    what each of the turns of another loop gives, which are one box themselves. So whether turns are equal depends on
    whether others are: all are taken for equal until some are found that are not.

    ``apart`` says which turns stand for themselves though they are equal to others. ``each`` has what is taken of every turn
    of a loop, by the node that is drawn and the place of the tensor among those that it takes.
    """

    def __init__(self, graph: Graph, apart: Callable[[Scope], bool] = lambda _: False) -> None:
        self._graph = graph
        self._results = {output.value for output in graph.outputs}
        self._apart = apart
        self._turns: dict[Scope, list[Turn]] = {}
        self._links: dict[tuple[Turn, Turn], list[_Origin] | None] = {}
        self._begins: set[Turn] = set()  # turns that are not like the ones before them
        self._runs: dict[Scope, list[list[Turn]]] = {}
        self._drawn: dict[Node, Node] = {}
        before = -1
        while before != len(self._begins):
            before = len(self._begins)
            self._gather()
            runs = [run for runs in self._runs.values() for run in runs if len(run) > 1]
            for run in runs:
                self._compare_taken(run)
            if before == len(self._begins):
                for run in runs:
                    self._compare_given(run)
        self.each = {
            key: each for runs in self._runs.values() for run in runs for key, each in self._given_by_each(run)
        }

    def runs(self, loop: Scope) -> list[list[Turn]]:
        """The turns of a `repeat` or `for` that have nodes, in order, equal neighbours together."""
        return self._runs[loop]

    def node(self, node: Node) -> Node:
        """The node that is drawn for one: that of the first turn for those of later ones."""
        while node in self._drawn:
            node = self._drawn[node]
        return node

    def value(self, value: Value) -> Value:
        """The tensor that is drawn for one."""
        if value.producer is None:
            return value
        drawn = self.node(value.producer)
        return value if drawn is value.producer else drawn.gives[value.producer.gives.index(value)]

    def _gather(self) -> None:
        """Puts neighbours together of which nothing says yet that they are not equal, in all loops that are drawn."""
        self._runs, self._drawn = {}, {}
        todo = [self._graph.root]
        while todo:
            scope = todo.pop()
            if scope.kind in ("repeat", "for") and not is_expression(scope):
                runs = self._runs[scope] = list(self._neighbours(scope))
                for first, *others in runs:
                    todo.append(first.scope)
                    for turn in others:
                        self._drawn.update(zip(turn.nodes, first.nodes, strict=True))
            else:
                todo += [part for part in scope.children if isinstance(part, Scope)]

    def _neighbours(self, loop: Scope) -> Iterator[list[Turn]]:
        if loop not in self._turns:
            turns = [Turn(scope) for scope in loop.children if isinstance(scope, Scope)]
            self._turns[loop] = [turn for turn in turns if turn.nodes]
        run: list[Turn] = []
        link: list[_Origin] | None = None
        for turn in self._turns[loop]:
            linked = self._link(run[-1], turn) if run else None
            if linked is None or (link is not None and linked != link):
                if run:
                    yield run
                run, link = [turn], None
            else:
                run.append(turn)
                link = linked
        if run:
            yield run

    def _link(self, one: Turn, other: Turn) -> list[_Origin] | None:
        """Where each tensor comes from that the second turn takes; None where it is not the first one again."""
        if other in self._begins:
            return None
        if (one, other) not in self._links:
            apart = self._apart(one.scope) or self._apart(other.scope)
            self._links[one, other] = None if apart else _linked(one, other)
        return self._links[one, other]

    def _compare_taken(self, run: Sequence[Turn]) -> None:
        """Cuts a run where what is another tensor in each turn is not drawn as one."""
        for one, other in pairwise(run):
            links = zip(self._links[one, other] or (), one.joined[1], other.joined[1], strict=True)
            if any(link == "each" and self.value(before) is not self.value(value) for link, before, value in links):
                self._begins.add(other)

    def _compare_given(self, run: Sequence[Turn]) -> None:
        """Cuts a run where turns give what those before them do not, or not to the same. The last one may give more, but to
        others, so that one can tell what is its own."""
        number = _numbers(run)
        begin, expected = True, Counter[_Use]()
        for place, (turn, given) in enumerate(zip(run, self._given(run, number), strict=True)):
            more = given - expected
            if begin or expected - given or {user for _, user, _ in more} & {user for _, user, _ in expected}:
                if not begin:
                    self._begins.add(turn)
                expected, more = given, Counter[_Use]()
            following = run[place + 1] if place + 1 < len(run) else None
            begin = following is not None and (bool(more) or self._is_final(turn, place, number))
            if begin and following is not None:
                self._begins.add(following)

    def _given(self, run: Sequence[Turn], number: dict[Node, int]) -> list[Counter[_Use]]:
        """What is taken of each turn, but by the next one."""
        takers: dict[tuple[_Which, Node], list[int]] = {}
        for place, turn in enumerate(run):
            for which, value in turn.outputs():
                for user in dict.fromkeys(value.uses):
                    if number.get(user) not in (place, place + 1):
                        takers.setdefault((which, user), []).append(place)
        given = [Counter[_Use]() for _ in run]
        for (which, user), places in takers.items():
            # What takes any number of tensors does the same with all; a query is not drawn as a key is.
            gathers = len(places) == len(run) and any(name.startswith("*") for name in user.op.tensors)
            for place in places:
                value = run[place].output(which)
                given[place].update(
                    (which, self.node(user), None if gathers else into)
                    for into, taken in enumerate(user.inputs)
                    if taken is value
                )
        return given

    def _is_final(self, turn: Turn, place: int, number: dict[Node, int]) -> bool:
        """Whether a turn gives what only the last one can: results, and what turns behind the next one take."""
        return any(
            value in self._results or any(number.get(user, 0) > place + 1 for user in value.uses)
            for _, value in turn.outputs()
        )

    def _given_by_each(self, run: Sequence[Turn]) -> Iterator[tuple[tuple[Node, int], Each]]:
        if len(run) < 2:
            return
        for which, user, into in self._given(run, _numbers(run))[0]:
            values = [turn.output(which) for turn in run]
            taken = [min(self._taken_at(value, user)) for value in values]
            forth, back = (all(one < other for one, other in pairwise(each)) for each in (taken, taken[::-1]))
            each = Each(run[0].scope, into is None, "" if forth else "last first" if back else "in another order")
            for place in (
                [place for place, value in enumerate(user.inputs) if value in values] if into is None else [into]
            ):
                yield (user, place), each

    @cached_property
    def _order(self) -> dict[Node, int]:
        return {node: place for place, node in enumerate(self._graph.nodes)}

    def _taken_at(self, value: Value, drawn: Node) -> Iterator[tuple[int, int]]:
        """When nodes that are drawn as one take a tensor, and at which place."""
        return ((self._order[user], user.inputs.index(value)) for user in value.uses if self.node(user) is drawn)


def _numbers(run: Sequence[Turn]) -> dict[Node, int]:
    """Of which turn a node is."""
    return {node: place for place, turn in enumerate(run) for node in turn.nodes}


def _linked(one: Turn, other: Turn) -> list[_Origin] | None:
    if len(one.nodes) != len(other.nodes):
        return None
    (signature, taken), (again, takes) = one.joined, other.joined
    if signature != again:
        return None
    positions = {value: which for which, value in one.outputs()}
    return [
        positions.get(value, value if value is before else "each") for before, value in zip(taken, takes, strict=True)
    ]


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
        signature.append((region(node.scope), _what(node), types, weights, tuple(sources)))
    return tuple(signature), list(taken)


def _what(node: Node) -> Any:
    """What a node is: its operator, of an index the step that is its text."""
    step = node.origin.step
    return (type(node.op), id(step)) if node.op.syntax() and isinstance(step, ast.Index) else node.op
