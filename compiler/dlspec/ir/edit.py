"""Graphs made of graphs. A graph that is built is not changed: what edits it makes another one, in one way through its
nodes, so that every tensor knows its producer and its uses, and every scope what is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import TypeAlias

from dlspec.ir.graph import Graph, Output
from dlspec.ir.node import Node, Parameter, Value, again
from dlspec.ir.op import Op, types_of
from dlspec.ir.program import Template
from dlspec.ir.scope import Scope
from dlspec.ir.types import TensorType
from dlspec.source import Span

Rule: TypeAlias = "Callable[[Editor, Node], Sequence[Value]]"
"""What stands for the outputs of a node: those of a copy, of other nodes, or what flows into it."""


def edited(
    graph: Graph,
    rule: Rule,
    outputs: Sequence[Output] | None = None,
    inputs: Sequence[Value] | None = None,
    retype: Callable[[TensorType], TensorType] | None = None,
    nodes: Iterable[Node] | None = None,
) -> Graph:
    """A copy of what some ``outputs`` need, with what a rule puts in the place of each node, in their order; ``nodes`` are
    these and more.

    Without ``outputs`` it is a copy of the whole graph, with the nodes and the weights that no output needs as well. Without
    ``inputs`` it has those of the graph, or of inference where no output is left that is for training. Scopes are copied,
    also where nothing is left in them. ``retype`` changes the types of inputs and of nodes that are kept.
    """
    edit = Editor(graph, retype)
    if outputs is None:
        edit.go_through(graph.inputs if inputs is None else inputs, graph.outputs, graph.nodes, rule)
        edit.keep_weights()
        return edit.graph
    if inputs is None:
        inputs = graph.inputs if any(output.training for output in outputs) else graph.inference_inputs()
    needed = graph.needed(output.value for output in outputs) if nodes is None else nodes
    edit.go_through(inputs, outputs, needed, rule)
    return edit.graph


def copied(graph: Graph, outputs: Sequence[Output] | None = None, inputs: Sequence[Value] | None = None) -> Graph:
    """A copy of what some outputs need, or all. Inputs as for `edited`."""
    return edited(graph, Editor.keep, outputs, inputs)


class Editor:
    """What a rule makes nodes with. ``graph`` is what is made so far.

    To insert a node is to call `insert`, to replace one to return other tensors, and to remove it to return what flows in.
    What is inserted for a node in a body stands in the body. A node that has a body is kept by itself: no rule is asked.
    """

    def __init__(self, graph: Graph, retype: Callable[[TensorType], TensorType] | None = None) -> None:
        self._templates = {each: Template(each.name, each.declaration) for each in graph.templates}
        self.graph = Graph(graph.name, self._scoped(graph.root, None))
        self.graph.keep(self._templates.values())
        self._source = graph
        self._retype = retype
        self._copies: dict[Value, Value] = {}
        self._names = {node.name for node in graph.nodes}
        self._scopes: dict[Scope, Scope] = {}
        self._along: dict[Scope, list[tuple[Value, Value]]] = {}
        self._node: Node | None = None
        self._scope = self.graph.root

    def go_through(self, inputs: Sequence[Value], outputs: Sequence[Output], nodes: Iterable[Node], rule: Rule) -> None:
        """Makes the graph, in one way through some nodes."""
        source, made = self._source, self.graph
        for value in inputs:
            self._copies[value] = self.input(value.name, self._retyped(value.type), value.span)
        needed = set(nodes)
        scopes = self._scopes
        scopes[source.root] = made.root
        for part in source.root.walk():
            if isinstance(part, Scope):
                assert part.parent
                scopes[part] = self._scoped(part, scopes[part.parent])
                if part.body is not None and part.body.node in needed:
                    copy = part.body.copied(scopes[part], self._retype)
                    self._copies |= zip(part.body.given, copy.given, strict=True)
            elif part in needed:
                self._node, self._scope = part, scopes[part.scope]
                self._names.discard(part.name)
                self._copies |= zip(part.outputs, self._stands(part, rule), strict=True)
        for scope, copy in scopes.items():
            copy.refer(scope, self._copies.get)
            copy.bound |= {part: part.name.rpartition(".")[2] for _, part in self._along.get(scope, ())}
            copy.twin = None if scope.twin is None else scopes.get(scope.twin)
        made.outputs = [Output(each.name, self._copies[each.value], each.training) for each in outputs]
        made.symbols, made.sizes, made.settings = source.symbols, source.sizes, source.settings
        made.conditions = source.conditions
        made.aliases = {name: path for name, path in source.aliases.items() if path in made.parameters}
        made.frozen = dict(source.frozen)
        became = {**self._copies, **scopes}
        made.former = {old: became.get(new) for old, new in source.former.items()} | became

    def _stands(self, node: Node, rule: Rule) -> Sequence[Value]:
        """What stands for the outputs of a node. One with a body stays, with what rules have put into the body, and goes
        along what they have put beside it."""
        if node.body is None:
            return rule(self, node)
        body = self._scopes[node.body.scope].body
        assert body is not None
        inputs, count = self.inputs(node), len(node.body.slices)
        along = tuple([value for value, _ in self._along.get(node.body.scope, ())])
        op = node.op.changed(sliced=len(body.slices)) if along else node.op
        types = tuple([self._retyped(value.type) for value in node.outputs])
        inputs = (*inputs[:count], *along, *inputs[count:])
        made = self._put(node.copied(op, inputs, node.weights, self._scope, node.name, types))
        body.close(self.graph.nodes[-1])
        return made

    def keep_weights(self) -> None:
        """Those that no node has, too, and the order of all."""
        made, old = self.graph.parameters, self._source.parameters
        kept = {path: made[path] if path in made else self._weight(each) for path, each in old.items()}
        self.graph.parameters = kept | made
        self.graph.aliases = dict(self._source.aliases)

    def _weight(self, weight: Parameter) -> Parameter:
        return weight.copied(weight.path, self._retyped(TensorType(weight.dtype, weight.shape)).dtype)

    def _scoped(self, scope: Scope, parent: Scope | None) -> Scope:
        return scope.copied(parent, template=None if scope.template is None else self._templates[scope.template])

    # For rules

    def keep(self, node: Node, op: Op | None = None, weights: tuple[Parameter, ...] | None = None) -> tuple[Value, ...]:
        """A copy of the node that stands at this place, or with another operator and weights."""
        types = tuple([self._retyped(value.type) for value in node.outputs])
        op, weights = node.op if op is None else op, node.weights if weights is None else weights
        return self._put(node.copied(op, self.inputs(node), weights, self._scope, node.name, types))

    def insert(
        self, op: Op, inputs: tuple[Value, ...] = (), weights: tuple[Parameter, ...] = (), name: str | None = None
    ) -> tuple[Value, ...]:
        """A node of the graph that is made, before the one that stands at this place; named after it and the function.

        With a number behind a name that is taken.
        """
        assert self._node
        base = name or f"{self._node.name}.{type(op).function or type(op).__name__.lower()}"
        name = next(n for n in (base if i == 1 else again(base, i) for i in count(1)) if n not in self._names)
        types = types_of(op, tuple([value.type for value in inputs]))
        made = Node(op, inputs, weights, self._scope, name, self._node.span, types)
        made.training = self._node.training
        return self._put(made)

    def input(self, name: str, type: TensorType, span: Span) -> Value:
        """A further input of the graph."""
        value = Value(name, type, None, span)
        self.graph.inputs.append(value)
        return value

    def part(self, name: str, type: TensorType, span: Span) -> Value:
        """A tensor at this place that comes in by a further input: of those bodies that stand around the place each turn has
        its own part of it. In a body it may have axes of size 1 in front."""
        assert self._node
        around: list[Scope] = []
        scope = self._node.scope.inside
        while scope is not None:
            around.append(scope)
            scope = scope.parent.inside if scope.parent is not None else None
        whole, parts = type, list[TensorType]()
        for scope in around:
            assert scope.body is not None
            assert scope.body.node is not None
            node = scope.body.node
            whole, part = node.op.turned(tuple([self._retyped(x.type) for x in node.inputs]), whole)
            parts.append(part)
        value = self.input(name, whole, span)
        for scope in reversed(around):
            body = self._scopes[scope].body
            assert body is not None
            inner = Value(name, parts.pop(), None, span)
            self._along.setdefault(scope, []).append((value, inner))
            body.slices, value = (*body.slices, inner), inner
        return value

    def inputs(self, node: Node) -> tuple[Value, ...]:
        """What flows into the node that stands at this place, in the graph that is made."""
        return tuple([self._copies[value] for value in node.inputs])

    def _put(self, node: Node) -> tuple[Value, ...]:
        self._names.add(node.name)
        self.graph.nodes.append(node)
        self.graph.parameters.update((weight.path, weight) for weight in node.weights)
        return node.outputs

    def _retyped(self, type: TensorType) -> TensorType:
        return type if self._retype is None else self._retype(type)
