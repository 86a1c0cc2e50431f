"""Elaborates once what comes out the same: a block with the same arguments and input types, a turn of a `repeat`.

What a body makes follows from its text, its arguments and the types of what flows in, so a second instance is a copy of
the first with other paths: what is known of open sizes decides nothing that it did not decide before, or else it is an
error. Where one reports errors, asks more of a tensor than its type, takes layers that carry names of their own, or binds
names around it, it is elaborated every time.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple, cast

from dlspec.elaborate.builder import Builder
from dlspec.elaborate.values import Arguments, BlockLayer, OpLayer, Ratio
from dlspec.ir.clone import Cloner, mapped
from dlspec.ir.dims import Expr
from dlspec.ir.init import Init
from dlspec.ir.node import Value
from dlspec.ir.program import Names, now
from dlspec.ir.scope import Scope
from dlspec.ir.types import DType
from dlspec.limits import NODE, SCOPE

_PLAIN = frozenset({int, bool, str, type(None), Expr, Ratio, DType})


class _Open(Exception):
    """A value that is more than what it says: a layer with names of its own, for one."""


class _State(NamedTuple):
    """How far a graph is: what an instance did is the difference between two."""

    nodes: int
    scopes: int
    position: int
    named: int
    shares: int
    refused: int
    outside: int


class Instance(NamedTuple):
    """A finished instance: the ``tensors`` that flowed into its ``scope``, its ``result``, how far the graph was
    ``before`` and ``after``, and how deep declarations are nested in it."""

    scope: Scope
    tensors: list[Value]
    result: Any
    before: _State
    after: _State
    height: int

    @property
    def steps(self) -> int:
        """What a copy counts."""
        before, after = self.before, self.after
        return NODE * (after.nodes - before.nodes) + SCOPE * (1 + after.scopes - before.scopes)


class Common:
    """The instances that are the same in other graphs of an analysis: ``taken`` counts their copies in those.

    Such an instance has asked nothing of the sizes of its graph, and has told nobody anything. A copy of it counts the same
    and breaks the same rules, while what stands behind it in the text may be that of the other graph: a network of which
    there is something to say is elaborated by itself, and a graph with such copies is for nobody but who counts it.
    """

    def __init__(self) -> None:
        self.instances: dict[Any, Instance] = {}
        self.taken = 0


class Sought(NamedTuple):
    """An instance that is to be made: the ``key`` is all that it follows from, but for the ``tensors`` that flow in; None
    where that cannot be said. A turn of a ``loop`` stands in a level that was there before and sees the names around it,
    while a block sees its arguments only."""

    key: Any
    tensors: list[Value]
    loop: Scope | None = None


class Instances:
    """The finished instances of a graph. ``enabled`` is False where each is to be elaborated, as for a recorder.

    It is told what is no part of an instance: ``refused`` counts what makes one unlike others (an error, a question about
    the graph around it), ``told`` what it says or asks that is no graph's, ``oldest`` is the time of the oldest names in
    which one was bound. Those that others may take are ``whole``, and go to the ``common`` ones with the graph.
    """

    enabled: bool = True

    def __init__(self, builder: Builder, common: Common | None = None) -> None:
        self.builder = builder
        self.refused = 0
        self.told = 0
        self.copies = 0
        self.oldest = inf
        self._known: dict[Any, Instance] = {}
        self._whole: dict[Any, Instance] = {}
        self._common = common
        self._binding: set[Scope] = set()
        self._begun: dict[Scope, int] = {}

    def bound(self, names: Names) -> None:
        """Something was bound in these names."""
        self.oldest = min(self.oldest, names.time)
        if names.parent is None:
            self.enabled = False  # every block sees the names of its file
            self._whole.clear()
            if self._common is not None:
                self._common.instances.clear()
        else:
            self.builder.graph.names.append(names)

    def block(self, layer: BlockLayer, flow: Any) -> Sought | None:
        """The instance of a block or network in the current scope, its parameters bound; None for one that is made in any
        case."""
        if not self._may_repeat() or self.builder.scope.children:  # a default may be a tensor that is made in the block
            return None
        tensors: dict[Value, int] = {}
        try:
            turns = self.builder.scope.inside is not None  # where not all may stand
            key = (id(layer.declaration), turns, _key(flow, tensors), _arguments(layer.arguments, tensors))
        except _Open:
            return None
        return Sought(key, list(tensors))

    def turn(self, loop: Scope, flow: Any) -> Sought | None:
        """A turn of a loop in the current scope."""
        if not self._may_repeat() or loop in self._binding:
            return None
        tensors: dict[Value, int] = {}
        try:
            key = (loop, _key(flow, tensors))
        except _Open:
            key = None
        # What was made before the loop may have another name that the turn reads: then it is not any tensor of its type.
        begun = self._begun.setdefault(loop, len(self.builder.graph.nodes))
        if not all(self._made_in(loop, begun, value) for value in tensors):
            key = None
        return Sought(key, list(tensors), loop)

    def _made_in(self, loop: Scope, begun: int, value: Value) -> bool:
        """Whether a tensor was made in a loop, before which there were so many nodes."""
        nodes, producer = self.builder.graph.nodes, value.producer
        if producer is None or len(nodes) == begun:
            return False
        return producer is nodes[-1] or loop in producer.scope.ancestors()

    def _may_repeat(self) -> bool:
        return self.enabled and self.builder.level.fresh and not self.builder.sharing

    def make(self, sought: Sought | None, make: Callable[[], Any]) -> Any:
        """The result of what is sought: of a copy in the current scope, or else of making it there."""
        if sought is None:
            return make()
        instance = self._known.get(sought.key)
        if instance is not None and self._fits(instance, sought):
            return self._repeat(instance, sought)
        if self._common is not None:
            instance = self._common.instances.get(sought.key)
            if instance is not None and self._fits(instance, sought):
                self._common.taken += 1
                return self._repeat(instance, sought)
        builder, began = self.builder, now()
        oldest, deepest, before = self.oldest, builder.deepest, self._state()
        self.oldest, builder.deepest = inf, builder.depth
        result = make()
        after, height, escaped = self._state(), builder.deepest - builder.depth, self.oldest < began
        self.oldest, builder.deepest = min(oldest, self.oldest), max(deepest, builder.deepest)
        alike = before.refused == after.refused
        if sought.loop is not None:
            # A turn leaves alone what others share with it: labels of the level around it, and layers.
            alike = alike and before.named == after.named and before.shares == after.shares
            if escaped:  # later turns see other names, and by them what flows
                self._binding.add(sought.loop)
                return result
        if alike and sought.key is not None and _is_plain(result):
            instance = Instance(builder.scope, sought.tensors, result, before, after, height)
            self._known[sought.key] = instance
            if sought.loop is None and before.outside == after.outside:
                self._whole[sought.key] = instance
        return result

    def share(self) -> None:
        """Gives others what they may take, now that nothing is wrong with the graph."""
        if self._common is not None and self.enabled:
            self._common.instances.update(self._whole)

    def _state(self) -> _State:
        builder, level = self.builder, self.builder.level
        graph = builder.graph
        outside = self.told + builder.conditions.asked + builder.demands + builder.shares
        outside += len(graph.claims) + len(graph.divergences) + len(graph.priors)
        return _State(
            len(graph.nodes), builder.scopes, level.position, level.named, builder.shares, self.refused, outside
        )

    def _fits(self, instance: Instance, sought: Sought) -> bool:
        """Whether a copy stays within the limits; else elaborating it finds where they are passed."""
        builder, before, after = self.builder, instance.before, instance.after
        return (
            builder.budget.afford(instance.steps)
            and builder.depth + instance.height <= builder.budget.limits.depth
            and (sought.loop is None or builder.free(after.position - before.position))
        )

    def _repeat(self, instance: Instance, sought: Sought) -> Any:
        self.copies += 1
        builder, before, after = self.builder, instance.before, instance.after
        values = dict(zip(instance.tensors, sought.tensors, strict=True))
        moved = builder.moved(range(before.position, after.position) if sought.loop is not None else range(0))
        Cloner(builder.graph, values, builder.unique, moved).fill(builder.scope, instance.scope)
        builder.budget.spend(instance.steps)
        builder.scopes += after.scopes - before.scopes
        builder.deepest = max(builder.deepest, builder.depth + instance.height)
        return mapped(instance.result, values)


def _key(value: Any, tensors: dict[Value, int]) -> Any:
    """What a value says: equal keys, equal values, but for tensors of one type. Those are numbered as they come, so that
    one that comes twice is told from two. Raises `_Open`."""
    kind = cast("type[Any]", type(value))
    if kind in _PLAIN:
        return kind, value
    match value:
        case Value():
            return tensors.setdefault(value, len(tensors)), value.type
        case float() | Init():
            return kind, repr(value)  # 0.0 == -0.0
        case list():
            return kind, *[_key(item, tensors) for item in cast("list[Any]", value)]
        case OpLayer(name=name, arguments=arguments, branches=None, env=None, called=called):
            return kind, name, called, _written(arguments, tensors)
        case BlockLayer(declaration, arguments=arguments):
            return kind, id(declaration), _written(arguments, tensors)
        case _:
            raise _Open


def _arguments(arguments: Arguments, tensors: dict[Value, int]) -> Any:
    return (*[(name, _key(value, tensors)) for name, (value, _) in arguments.items()],)


def _written(arguments: Arguments, tensors: dict[Value, int]) -> Any:
    """With the text of each: nodes made by a layer keep what was written for it."""
    return (*[(name, id(w.expression), _key(value, tensors)) for name, (value, w) in arguments.items()],)


def _is_plain(result: Any) -> bool:
    """Whether a result can be had again: tensors and constants."""
    if isinstance(result, list):
        return all(_is_plain(item) for item in cast("list[Any]", result))
    return isinstance(result, Value | float | Init) or type(result) in _PLAIN
