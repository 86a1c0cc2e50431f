"""Whether a tensor can be differentiated by another."""

from __future__ import annotations

from collections.abc import Iterable

from dlspec.diagnostics import Note
from dlspec.elaborate.values import Failure
from dlspec.ir.graph import Node, Value
from dlspec.ops.constant import Stored
from dlspec.ops.gradient import cuts
from dlspec.source import Span


def check_dependence(y: Value, x: Value, nodes: Iterable[Node], span: Span) -> None:
    """Raises `Failure` where `grad(y, x)` has no way from ``y`` back to ``x``, or none without a cut, or where ``x`` is a
    weight of layers among the ``nodes``."""
    _refuse_held(x, nodes, span)
    seen: set[Node] = set()
    cut: list[Node] = []
    stack = [y]
    while stack:
        value = stack.pop()
        if value is x:
            return
        node = value.producer
        if node is not None and node not in seen:
            seen.add(node)
            if cuts(node):
                cut.append(node)
            else:
                stack.extend(node.inputs)
    blocking = [node for node in cut if _depends(node, x)]
    if blocking:
        notes = tuple(Note(node.span, "no gradient passes here") for node in blocking)
        raise Failure("DL0410", f"no gradient of {_what(y)} reaches {_what(x)}", span, notes=notes)
    notes = (Note(y.span, "this is differentiated"), Note(x.span, "and does not depend on this"))
    raise Failure("DL0410", f"{_what(y)} does not depend on {_what(x)}", span, notes=notes)


def _refuse_held(x: Value, nodes: Iterable[Node], span: Span) -> None:
    source = x.producer
    if source is None or not isinstance(source.op, Stored):
        return
    (weight,) = source.weights
    holder = next((n for n in nodes if weight in n.weights and not isinstance(n.op, Stored)), None)
    if holder is not None:
        message = f"{_what(x)} is a weight of a layer, and a gradient by it would leave out what the layer does with it"
        hint = "declare it by `param`, and use it in functions alone, as in `linear(x, w)`"
        raise Failure("DL0410", message, span, notes=(Note(holder.span, "this is the layer"),), hint=hint)


def _depends(node: Node, x: Value) -> bool:
    seen = {node}
    stack = [node]
    while stack:
        for value in stack.pop().inputs:
            if value is x:
                return True
            if value.producer is not None and value.producer not in seen:
                seen.add(value.producer)
                stack.append(value.producer)
    return False


def _what(value: Value) -> str:
    return f"`{value.span.text}`" if len(value.span.text) <= 40 and "\n" not in value.span.text else str(value.type)
