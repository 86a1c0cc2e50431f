"""Replaces each `Grad` by the nodes of its vector-Jacobian products (Griewank and Walther, 2008, "Evaluating derivatives",
chapter 3)."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from itertools import count

from dlspec.backends.derivatives.registry import Cotangents, formula_of, rule_of
from dlspec.backends.derivatives.step import NoDerivative, Step, filled, fitted, zeros
from dlspec.backends.findings import backend_error
from dlspec.diagnostics import Diagnostic, Diagnostics, Note
from dlspec.elaborate.builder import as_types, join
from dlspec.ir.graph import Graph, Node, Scope, Value
from dlspec.ir.op import Needs, Op, Types
from dlspec.ops.algebra import Algebra, Term
from dlspec.ops.dropout import Identity
from dlspec.ops.gradient import Grad, cuts
from dlspec.source import Span


def differentiated(graph: Graph, values: Iterable[Value]) -> Graph:
    """The graph with what some tensors depend on, and no `Grad` in it; the same one where there is none.

    Tensors are those of the graph: that of a `Grad` too, which another node gives. Gradients are those of inference.
    From first to last, so that one which depends on another finds nodes that can be differentiated. Scopes and what
    sizes must satisfy stay as they are: a derivative demands nothing that was not demanded on the way forward.

    Raises `DlspecError` with each `Grad` that has an operator without a derivative on its way.
    """
    nodes = graph.needed(values)
    if not any(isinstance(node.op, Grad) for node in nodes):
        return graph
    made = copy(graph)
    made.nodes = []
    names = {node.name for node in nodes}
    found = Diagnostics()
    for node in nodes:
        if not isinstance(node.op, Grad):
            made.nodes.append(node)
            continue
        try:
            made.nodes += _Gradient(node, names).of(made.needed([node.inputs[0]]))
        except NoDerivative as missing:
            found.add(_refused(node, missing))
    found.check()
    return made


class _Gradient:
    """The nodes of one gradient, in a scope of their own where it stands."""

    def __init__(self, grad: Node, names: set[str]) -> None:
        self.grad = grad
        self.names = names
        self.nodes: list[Node] = []
        self.scope = Scope("level", None, grad.span)
        self.scope.parent = grad.scope  # without being a child: the graph stays as it is
        self.algebra = Algebra(self, grad.span)

    def function(self, op: Op, inputs: tuple[Value, ...], span: Span) -> tuple[Value, ...]:
        name = join(self.grad.name, type(op).function or type(op).__name__.lower())
        name = next(n for n in (name if i == 1 else f"{name}:{i}" for i in count(1)) if n not in self.names)
        self.names.add(name)
        self.nodes.append(Node(op, inputs, (), self.scope, name, span, self.types(op, inputs, span)))
        return self.nodes[-1].outputs

    def types(self, op: Op, inputs: tuple[Value, ...], span: Span) -> Types:
        return as_types(op.infer(Needs(), tuple(value.type for value in inputs)))

    def of(self, nodes: list[Node]) -> list[Node]:
        """What computes the gradient of what comes of some nodes. Raises `NoDerivative`."""
        y, x = self.grad.inputs
        reached = {x}
        way: list[Node] = []
        for node in nodes:
            if reached.isdisjoint(node.inputs):
                continue
            for step in self._written_out(node):
                if not (reached.isdisjoint(step.inputs) or cuts(step)):
                    reached.update(step.outputs)
                    way.append(step)
        cotangents: dict[Value, Term] = {}
        if y in reached:
            cotangents[y] = filled(self.algebra, y.type, 1.0)
        for node in reversed(way):
            self._back(node, reached, cotangents)
        # Where the only ways are cut, as behind the slope of a ReLU, nothing changes with x.
        value = (cotangents[x] if x in cotangents else zeros(self.algebra, x.type)).value
        return [*self.nodes, self._renamed(value, self.grad)]

    def _renamed(self, value: Value, node: Node) -> Node:
        """A node that gives the output of another one."""
        made = Node(Identity(), (value,), (), self.scope, node.name, self.grad.span, (value.type,))
        made.outputs = node.outputs
        return made

    def _written_out(self, node: Node) -> list[Node]:
        """The nodes that are differentiated instead of one: those of its formula, or itself."""
        formula = formula_of(type(node.op))
        start = len(self.nodes)
        result = formula(Step(node, self.algebra, (), ()), node.op) if formula else None
        if result is None:
            return [node]
        made = [inner for step in self.nodes[start:] for inner in self._written_out(step)]
        return [*made, self._renamed(result.value, node)]

    def _back(self, node: Node, reached: set[Value], cotangents: dict[Value, Term]) -> None:
        """Adds what a node passes back to the cotangents of its inputs."""
        given = [cotangents.get(value) for value in node.outputs]
        if not any(given):
            return
        step = Step(node, self.algebra, given, tuple(value in reached for value in node.inputs))
        for value, wanted, cotangent in zip(node.inputs, step.wanted, self._passed(step), strict=True):
            if wanted and cotangent is not None:
                cotangent = fitted(cotangent, value.type)
                cotangents[value] = cotangents[value] + cotangent if value in cotangents else cotangent

    def _passed(self, step: Step) -> Cotangents:
        op = step.node.op
        if op.identity_in_eval:
            return (step.g,)
        rule = rule_of(type(op))
        if rule is None:
            raise NoDerivative(step.node, type(op).__name__)
        return rule(step, op)


def _refused(grad: Node, missing: NoDerivative) -> Diagnostic:
    message = f"ONNX has no gradients, and there is no derivative of {missing.what} to write instead"
    hint = "compile to PyTorch, or mark the outputs that need it `: training`"
    return backend_error(message, grad, hint, notes=(Note(missing.node.span, f"{missing.what} is on the way"),))
