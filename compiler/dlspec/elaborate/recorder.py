"""Remembers what each expression of a text was, in each instance of what it stands in.

For editors, which ask what stands at a place. An elaborator that is not asked to remember is another class, and no slower
for it.
"""

from __future__ import annotations

from typing import Any

from dlspec.diagnostics import Diagnostics
from dlspec.elaborate.builder import Builder
from dlspec.elaborate.expressions import Measure
from dlspec.elaborate.flow import Elaborator
from dlspec.elaborate.session import Session
from dlspec.elaborate.tied import apart
from dlspec.elaborate.values import POISON, BlockLayer, Env, Layer
from dlspec.ir.conditions import Conditions
from dlspec.ir.forget import take_apart
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node
from dlspec.ir.scope import Scope
from dlspec.source import Span
from dlspec.syntax import ast

MOST = 1000
"""So many instances of an expression are remembered."""


class Record:
    """What an expression was in one place: its ``value``, a tensor, a layer or a constant. A layer that was applied has
    the ``flow`` into it and its ``result``. ``nodes`` are those of ``graph`` that were built for it."""

    __slots__ = ("_first", "_last", "flow", "graph", "result", "scope", "value")

    def __init__(self, value: Any, scope: Scope, graph: Graph, first: int) -> None:
        self.value = value
        self.scope = scope
        self.graph = graph
        self.flow: Any = None
        self.result: Any = None
        self._first, self._last = first, len(graph.nodes)

    def applied(self, flow: Any, result: Any) -> None:
        """Completes it for a layer."""
        self.flow, self.result = flow, result
        self._last = len(self.graph.nodes)

    @property
    def nodes(self) -> list[Node]:
        return self.graph.nodes[self._first : self._last]


class Recorder:
    """The records of each expression, bound name and parameter, in the order in which they were made, and the graphs of
    all that was elaborated."""

    def __init__(self) -> None:
        self.graphs: list[Graph] = []
        self._records: dict[ast.Node, list[Record]] = {}

    def __del__(self) -> None:
        for graph in self.graphs:
            take_apart(graph)

    def of(self, node: ast.Node) -> list[Record]:
        return self._records.setdefault(node, [])


class Recording(Elaborator):
    """Does what an `Elaborator` does, and tells the ``recorder``."""

    _unfolds = False  # so that there is a record of each layer that was applied

    def __init__(
        self, builder: Builder, diagnostics: Diagnostics, measure: Measure | None, *rest: Any, recorder: Recorder
    ) -> None:
        super().__init__(builder, diagnostics, measure, *rest)
        self.instances.enabled = False
        self._recorder = recorder
        self._graph = builder.graph
        recorder.graphs.append(builder.graph)

    def _keep(self, node: ast.Node, value: Any, first: int | None = None) -> None:
        records = self._recorder.of(node)
        if value is not POISON and not apart(value, self._graph) and len(records) < MOST:
            at = len(self._graph.nodes) if first is None else first
            records.append(Record(value, self.builder.scope, self._graph, at))

    def evaluate(self, expression: ast.Expression, env: Env) -> Any:
        first = len(self._graph.nodes)
        value = super().evaluate(expression, env)
        self._keep(expression, value, first)
        return value

    def step(self, node: ast.Expression, flow: Any, env: Env, label: str | None = None) -> Any:
        before, first, scope = len(self._recorder.of(node)), len(self._graph.nodes), self.builder.scope
        return self._came(node, flow, super().step(node, flow, env, label), before, first, scope)

    def head(self, expression: ast.Expression, flow: Any, env: Env) -> Any:
        before, first, scope = len(self._recorder.of(expression)), len(self._graph.nodes), self.builder.scope
        return self._came(expression, flow, super().head(expression, flow, env), before, first, scope)

    def _came(self, node: ast.Expression, flow: Any, result: Any, before: int, first: int, scope: Scope) -> Any:
        """Keeps what came out of a step, with the layer that it was evaluated to on the way, if it was.

        That is the first record since; those of a block that uses itself come after it.
        """
        own = next(iter(self._recorder.of(node)[before:]), None)
        if own is not None and own.scope is scope and isinstance(own.value, Layer):
            if result is not POISON:
                own.applied(flow, result)
        else:
            self._keep(node, result, first)
        if isinstance(node, ast.Tap):
            self._keep(node.name, result)
        return result

    def unpack(self, targets: tuple[ast.Target, ...], value: Any, step: ast.Expression) -> list[tuple[str, Any]]:
        pairs = super().unpack(targets, value, step)
        for name, (_, part) in zip(ast.names_of(targets), pairs, strict=True):
            self._keep(name, part)
        return pairs

    def shared(self, node: ast.Shared, env: Env) -> Any:
        value = super().shared(node, env)
        self._keep(node.name, value)
        return value

    def declared(self, node: ast.Param, env: Env) -> Any:
        value = super().declared(node, env)
        self._keep(node.name, value)
        return value

    def bind_parameters(self, layer: BlockLayer, env: Env, span: Span) -> None:
        super().bind_parameters(layer, env, span)
        for parameter in layer.declaration.parameters:
            if parameter.name.name in env.names:
                self._keep(parameter.name, env.names[parameter.name.name])


def make_elaborator(graph: Graph, conditions: Conditions, diagnostics: Diagnostics, session: Session) -> Elaborator:
    """An elaborator that tells the recorder of the session, if it has one."""
    builder = Builder(graph, conditions, session.known)
    if session.recorder is None:
        return Elaborator(builder, diagnostics, session.measure, session.common)
    return Recording(builder, diagnostics, session.measure, recorder=session.recorder)
