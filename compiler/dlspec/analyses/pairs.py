"""Two data that an objective compares place by place, of which a random change moves one alone."""

from __future__ import annotations

from collections.abc import Iterator

from dlspec.diagnostics import Diagnostic, Note, Severity
from dlspec.ir.node import Node, Value
from dlspec.objectives.training import Data, Training
from dlspec.ops.combine import Concat
from dlspec.ops.gradient import Grad
from dlspec.ops.loss import Loss


def pair_findings(training: Training) -> Iterator[Diagnostic]:
    """Warnings for data that belong together place by place and are not moved together."""
    data = [one for one in training.data if one.value.type.rank > 2]
    if not any(change.moves for one in data for change in one.augmentations):
        return
    seen: set[tuple[Data, Data]] = set()
    for node, first, second in _joins(training, data):
        if _together(first, second) or (first, second) in seen:
            continue
        seen.add((first, second))
        moved, other = (first, second) if any(change.moves for change in first.augmentations) else (second, first)
        change = next(change for change in moved.augmentations if change.moves)
        both = any(each.moves for each in other.augmentations)
        left = "is moved by draws of its own" if both else "stays where it was"
        message = f"`{type(change).__name__}` moves `{moved.value.name}`, and `{other.value.name}` {left}"
        hint = f"`data ({first.value.name}: ..., {second.value.name}: ...) -> {type(change).__name__}` moves both alike"
        notes = (Note(node.span, "here they are compared place by place"),)
        yield Diagnostic("DL0710", message, moved.value.span, notes=notes, hint=hint, severity=Severity.WARNING)


def _together(first: Data, second: Data) -> bool:
    """Whether nothing moves one of them without the other."""
    alone = first.own + second.own + (() if first.pair == second.pair else first.common + second.common)
    return not any(change.moves for change in alone)


def _joins(training: Training, data: list[Data]) -> Iterator[tuple[Node, Data, Data]]:
    """The nodes at which two data meet with their places, and which two: in a loss, in a difference or a product that no
    layer with weights takes, or beside each other as channels."""
    kept: dict[Value, frozenset[Data]] = {one.value: frozenset([one]) for one in data}
    compared = _compared(training)
    for node in training.graph.nodes:
        sources = [kept.get(value, frozenset[Data]()) for value in node.inputs]
        found = frozenset[Data]().union(*sources)
        meets = node in compared or (isinstance(node.op, Concat) and node.op.dim % node.outputs[0].type.rank)
        if meets and len(found) > 1 and len(node.inputs) > 1:
            for one in sorted(found, key=data.index):
                for other in sorted(found, key=data.index)[data.index(one) + 1 :]:
                    if any(one in a and other in b for a in sources for b in sources if a is not b):
                        yield node, one, other
        for value in node.outputs if found else ():
            if value.type.rank > 2 and 1 not in value.type.shape[-2:]:
                kept[value] = found


def _compared(training: Training) -> set[Node]:
    """Losses, and what is computed of two tensors element by element on the way to an objective, behind all weights."""
    found: set[Node] = set()
    numbers = [value for value in training.named.values() if not value.type.rank]
    todo = [value.producer for value in [*(update.objective for update in training.updates), *numbers]]
    while todo:
        node = todo.pop()
        if node is None or node in found or node.weights or isinstance(node.op, Grad):
            continue
        found.add(node)
        todo += [value.producer for value in node.inputs]
    return {node for node in found if isinstance(node.op, Loss) or (node.op.elementwise and len(node.inputs) > 1)}
