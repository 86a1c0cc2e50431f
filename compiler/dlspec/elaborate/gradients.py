"""Whether a tensor can be differentiated by another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dlspec.diagnostics import Note
from dlspec.elaborate.values import Failure
from dlspec.ir.body import Body
from dlspec.ir.node import Node, Value
from dlspec.ir.scope import Scope
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


def check_turn(y: Value, x: Value, inside: Scope | None, span: Span) -> None:
    """Raises `Failure` where ``y``, in the body of a `scan`, depends on ``x`` by other turns too. ``inside`` is the
    innermost scope around it that has a body."""
    around: dict[Value, Body] = {}
    within: set[Value] = set()
    while inside is not None:
        body = inside.body
        assert body is not None
        within.update(body.given)
        if x not in within and not (x.producer is not None and inside in _scopes(x.producer.scope)):
            around.update(dict.fromkeys(body.given, body))
        inside = inside.parent.inside if inside.parent is not None else None
    stack: list[tuple[Value, Value | None]] = [(y, None)]
    seen: set[tuple[Value, Value | None]] = set()
    while stack:
        value, given = step = stack.pop()
        if step in seen:
            continue
        seen.add(step)
        if value in around and value in around[value].states:
            given = value
        elif value in around:
            stack.append((around[value].entries[value], given or value))
            continue
        elif value is not x and value.producer is not None and not cuts(value.producer):
            stack += [(before, given) for before in value.producer.inputs]
        if given is not None and value in (x, given):
            message = f"{_what(y)} depends on `{given.name}`, and by that in other turns on {_what(x)}"
            hint = (
                f"differentiate by a tensor of the turn, or what the `scan` gives; `detach({given.name})` keeps it out"
            )
            raise Failure("DL0422", message, span, hint=hint, notes=(Note(given.span, "given to each turn"),))


def _scopes(scope: Scope | None) -> Iterator[Scope]:
    while scope is not None:
        yield scope
        scope = scope.parent


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
