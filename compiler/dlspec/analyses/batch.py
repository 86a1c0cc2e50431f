"""Where the examples of a batch get among each other: nearly always a shape that is not what its author thinks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dlspec.diagnostics import Diagnostic, Note, Severity
from dlspec.ir.condition import Condition
from dlspec.ir.conditions import Conditions
from dlspec.ir.dims import Dim, product, symbols
from dlspec.ir.graph import Derived, Graph
from dlspec.ir.node import Node, Value
from dlspec.ir.types import format_shape
from dlspec.source import Span

Shape = tuple[Dim, ...]


def batch_findings(graph: Graph) -> Iterator[Diagnostic]:
    """Warnings for preconditions that fix or divide the batch, for sums and the like in which it meets another axis, and
    for shapes that cut across its examples. The batch is the first axis of the first input, if that is a symbol."""
    firsts = [str(value.type.shape[0]) for value in graph.inputs if value.type.rank]
    batch = firsts[0] if firsts and graph.inputs[0].type.rank else ""
    if batch not in graph.symbols or batch in graph.sizes:
        return
    seen: set[Span] = set()
    for derived in graph.derived:
        if derived.span not in seen and _fixes(derived.condition, batch, firsts):
            seen.add(derived.span)
            yield _fixed(derived, batch)
    conditions = Conditions(graph.conditions)
    for node in graph.nodes:
        if node.op.view:
            found = _cut(node, batch, conditions)
        elif node.op.elementwise:
            found = _crossed(node, batch) if len({value.type.rank for value in node.inputs}) > 1 else None
        elif node.op.along(tuple([value.type for value in node.inputs])) is not None:
            found = _carried(node, batch)
        else:
            continue
        if found is not None and node.span not in seen:
            seen.add(node.span)
            yield found


def _warning(node: Node, code: str, message: str, hint: str) -> Diagnostic:
    notes = tuple(Note(value.span, f"{value.type} comes from here") for value in dict.fromkeys(node.inputs))
    return replace(node.finding(message, hint, code, notes), severity=Severity.WARNING)


# Preconditions


def _fixes(condition: Condition, batch: str, firsts: list[str]) -> bool:
    if condition.kind == "bound" or batch not in condition.symbols:
        return False
    both_first = condition.kind == "equality" and {str(condition.left), str(condition.right)} <= {*firsts}
    return not both_first


def _fixed(derived: Derived, batch: str) -> Diagnostic:
    condition = derived.condition
    message = f"this needs `{condition}`, and `{batch}` is the batch, which may have any size"
    shapes = [value.type.shape for value in derived.inputs]
    short = min(shapes, key=len, default=())
    hint = f"if that is meant, state it: `where {condition}` after a signature, or `expect` in a body before this"
    if condition.kind == "equality" and len({len(shape) for shape in shapes}) > 1 and batch in _named(short):
        added = max(map(len, shapes)) - len(short)
        hint = (
            f"shapes are aligned at the end: give {format_shape(short)} the axes it lacks, as in "
            f"`y[{', '.join([':'] * len(short) + ['none'] * added)}]`; {hint}"
        )
    notes = tuple(Note(value.span, f"{value.type} comes from here") for value in dict.fromkeys(derived.inputs))
    return Diagnostic("DL0801", message, derived.span, notes=notes, hint=hint, severity=Severity.WARNING)


def _named(shape: Shape) -> frozenset[str]:
    return frozenset[str]().union(*map(symbols, shape))


# Broadcasting


def _crossed(node: Node, batch: str) -> Diagnostic | None:
    """A warning where an input of fewer axes has its batch beside another axis, so that each example meets every other."""
    places = [(value, _only(value.type.shape, batch)) for value in dict.fromkeys(node.inputs)]
    known = [(value, axis - value.type.rank) for value, axis in places if axis is not None]
    for one, at in known:
        for other, beside in known:
            stretched = at > beside and one.type.rank < other.type.rank and other.type.shape[at] == 1
            if stretched and not _made_for_it(other):
                shapes = f"{format_shape(one.type.shape)} and {format_shape(other.type.shape)}"
                message = f"{shapes} give {node.outputs[0].type}: every example meets every other"
                hint = "give both the same axes: `y[:, 0]` takes one away, `y[:, none]` adds one"
                return _warning(node, "DL0801", message, hint)
    return None


def _only(shape: Shape, batch: str) -> int | None:
    """The axis of the batch; None where there is none, or several."""
    axes = [axis for axis, size in enumerate(shape) if not isinstance(size, int) and batch in symbols(size)]
    return axes[0] if len(axes) == 1 else None


def _made_for_it(value: Value) -> bool:
    """Whether the axis of size 1 was put there by its author to meet another: `y[:, none]`."""
    node = value.producer
    while node is not None:
        if node.op.copies and node.inputs and node.outputs[0].type.rank > node.inputs[0].type.rank:
            return True
        like = [each for each in node.inputs if each.type.shape == value.type.shape]
        if not node.op.elementwise or not like:
            return False
        node = like[0].producer
    return False


# States


def _carried(node: Node, batch: str) -> Diagnostic | None:
    """A warning where a state is carried from example to example, and nobody has said which axis comes first."""
    x = node.inputs[0].type
    axis = node.op.along((x,))
    if axis is None or x.rank < 3 or str(x.shape[axis]) != batch or "batch_first" in node.origin.written:
        return None
    message = f"the state is carried along axis {axis} of {format_shape(x.shape)}, from example to example of the batch"
    hint = f"write batch_first=true where `{batch}` is the batch, and batch_first=false where it is the time"
    return _warning(node, "DL0801", message, hint)


# Reshaping


def _cut(node: Node, batch: str, conditions: Conditions) -> Diagnostic | None:
    """A warning where a reshape puts parts of one example, or of several, where an example was."""
    have, want = node.inputs[0].type.shape, node.outputs[0].type.shape
    i, j = _only(have, batch), _only(want, batch)
    if i is None or j is None:
        return None

    def among(size: Dim, shape: Shape) -> bool:
        parts = [product(shape[:end]) for end in range(len(shape) + 1)]
        return size in parts or any(conditions.implies(Condition.equal(size, part)) for part in parts)

    before, behind = product(have[:i]), product(want[:j])
    if have[i] == want[j] and str(have[i]) == batch:
        whole = before == behind or conditions.implies(Condition.equal(before, behind))
    else:
        apart = among(behind, have[:i]) or among(before, want[:j])
        whole = apart and (among(product(have[: i + 1]), want) or among(product(want[: j + 1]), have))
    if whole:
        return None
    message = (
        f"{format_shape(have)} becomes {format_shape(want)}, which cuts across the examples of the batch `{batch}`"
    )
    hint = "`Flatten` keeps the batch, and so does a shape that begins with `x.batch`"
    return _warning(node, "DL0802", message, hint)
