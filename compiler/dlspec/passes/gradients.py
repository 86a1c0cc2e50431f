"""Replaces each `Grad` by the nodes of its vector-Jacobian products (Griewank and Walther, 2008, "Evaluating derivatives",
chapter 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from dlspec.diagnostics import Diagnostic, Diagnostics, Note
from dlspec.ir.edit import Editor, edited
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node, Value
from dlspec.ir.op import Op, Types, types_of
from dlspec.ir.verify import verified
from dlspec.ops.algebra import Algebra, Term
from dlspec.ops.gradient import Grad, cuts
from dlspec.passes.derivatives.registry import FORMULAS, RULES, Cotangents
from dlspec.passes.derivatives.step import NoDerivative, Step, filled, fitted, zeros
from dlspec.source import Span

Alias: TypeAlias = "tuple[Value, Value]"
"""The output of a node, and the tensor of its formula that is equal to it."""


@verified
def differentiated(graph: Graph) -> Graph:
    """What a graph computes at inference without a `Grad` in it; the same graph where there is none.

    From first to last, so that one which depends on another finds nodes that can be differentiated. What sizes must
    satisfy stays as it is: a derivative demands nothing that was not demanded on the way forward.

    Raises `DlspecError` with each `Grad` that has an operator without a derivative on its way.
    """
    outputs = [output for output in graph.outputs if not output.training]
    if not any(isinstance(node.op, Grad) for node in graph.needed(output.value for output in outputs)):
        return graph
    found = Diagnostics()

    def rule(edit: Editor, node: Node) -> Sequence[Value]:
        if not isinstance(node.op, Grad):
            return edit.keep(node)
        y, x = edit.inputs(node)
        try:
            return (_Gradient(edit, node.span).of(y, x),)
        except NoDerivative as missing:
            found.add(_refused(node, missing))
            return (x,)  # of the type that the gradient would have

    made = edited(graph, rule, outputs=outputs)
    found.check()
    return made


class _Gradient:
    """The nodes of one gradient, in its place."""

    def __init__(self, edit: Editor, span: Span) -> None:
        self.edit = edit
        self.algebra = Algebra(self, span)

    def function(self, op: Op, inputs: tuple[Value, ...], span: Span) -> tuple[Value, ...]:
        return self.edit.insert(op, inputs)

    def types(self, op: Op, inputs: tuple[Value, ...], span: Span) -> Types:
        return types_of(op, tuple([value.type for value in inputs]))

    def of(self, y: Value, x: Value) -> Value:
        """The gradient of the sum of one tensor by another. Raises `NoDerivative`."""
        reached = {x}
        way: list[Node | Alias] = []
        for node in self.edit.graph.needed([y]):
            if reached.isdisjoint(node.inputs):
                continue
            for step in self._written_out(node):
                if isinstance(step, Node):
                    passed = step.outputs if not (reached.isdisjoint(step.inputs) or cuts(step)) else ()
                else:
                    passed = () if reached.isdisjoint(step) else step
                if passed:
                    reached.update(passed)
                    way.append(step)
        cotangents: dict[Value, Term] = {}
        if y in reached:
            cotangents[y] = filled(self.algebra, y.type, 1.0)
        for step in reversed(way):
            self._back(step, reached, cotangents)
        # Where the only ways are cut, as behind the slope of a ReLU, nothing changes with x.
        return (cotangents[x] if x in cotangents else zeros(self.algebra, x.type)).value

    def _written_out(self, node: Node) -> list[Node | Alias]:
        """What is differentiated instead of a node: the nodes of its formula, or itself."""
        formula = FORMULAS.get(type(node.op))
        start = len(self.edit.graph.nodes)
        result = formula(Step(node, self.edit, self.algebra, (), ()), node.op) if formula else None
        if result is None:
            return [node]
        made = [inner for step in self.edit.graph.nodes[start:] for inner in self._written_out(step)]
        return [*made, (node.outputs[0], result.value)]

    def _back(self, step: Node | Alias, reached: set[Value], cotangents: dict[Value, Term]) -> None:
        """Adds what a node passes back to the cotangents of its inputs."""
        if not isinstance(step, Node):
            output, same = step
            if output in cotangents:
                self._add(same, cotangents[output], cotangents)
            return
        given = [cotangents.get(value) for value in step.outputs]
        if not any(given):
            return
        wanted = tuple(value in reached for value in step.inputs)
        passed = self._passed(Step(step, self.edit, self.algebra, given, wanted))
        for value, asked, cotangent in zip(step.inputs, wanted, passed, strict=True):
            if asked and cotangent is not None:
                self._add(value, fitted(cotangent, value.type), cotangents)

    def _add(self, value: Value, cotangent: Term, cotangents: dict[Value, Term]) -> None:
        cotangents[value] = cotangents[value] + cotangent if value in cotangents else cotangent

    def _passed(self, step: Step) -> Cotangents:
        op = step.node.op
        if op.identity_in_eval:
            return (step.g,)
        rule = RULES.get(type(op))
        if rule is None:
            raise NoDerivative(step.node, type(op).__name__)
        return rule(step, op)


def _refused(grad: Node, missing: NoDerivative) -> Diagnostic:
    message = f"ONNX has no gradients, and there is no derivative of {missing.what} to write instead"
    hint = "compile to PyTorch, or mark the outputs that need it `: training`"
    return grad.finding(message, hint, notes=(Note(missing.node.span, f"{missing.what} is on the way"),))
