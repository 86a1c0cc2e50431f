"""Shapes that do not fit: which of the steps behind them is likely wrong, by how each got its size.

An error shows where two tensors meet. Of the two, one has its size from what both came of, or from a signature; the other
has it from a step of its own, and that is where to look.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from dlspec.diagnostics import Diagnostic, Note
from dlspec.elaborate.blame import root
from dlspec.elaborate.unknown import words
from dlspec.ir.node import Node, Value
from dlspec.ir.scope import Scope
from dlspec.ir.types import TensorType
from dlspec.source import Span
from dlspec.syntax import ast

_STEPS = 500
"""Nodes behind each other that a size is followed through."""

RANK, DTYPE = 1, 2
"""In place of an axis, counted from the end: how many there are, and the type of the elements."""

_AXIS = re.compile(r"axis (\d+) is ")
_DEFAULT = re.compile(r" needs \w+ % \d+ == 0, and the default is ")  # else a step is wrong that should keep the size
_TARGET = re.compile(r" takes (?:a target|classes) ")


class _Way:
    """How a tensor came to its size along an axis: the tensors before it, itself first, and the steps that changed it,
    the last first."""

    def __init__(self, value: Value, axis: int) -> None:
        self.axis = axis
        self.values = [value]
        self.changes: list[tuple[int, Node]] = []
        for _ in range(_STEPS):
            node = value.producer
            before = _before(value, axis) if node is not None else None
            if node is None or before is None:
                break
            if _size(before.type, axis) != _size(value.type, axis):
                self.changes.append((len(self.values), node))
            value = before
            self.values.append(value)

    def since(self, common: Value | None) -> list[Node]:
        """The changes behind a tensor, or all."""
        until = self.values.index(common) if common is not None else len(self.values)
        return [node for at, node in self.changes if at <= until]


def _size(type_: TensorType, axis: int) -> Any:
    if axis == RANK:
        return type_.rank
    if axis == DTYPE:
        return type_.dtype.label
    return type_.shape[axis] if -axis <= type_.rank else None


def _before(value: Value, axis: int) -> Value | None:
    """The tensor that a size comes from: the first input that has it, else the first."""
    assert value.producer is not None
    inputs = value.producer.inputs
    wanted = _size(value.type, axis)
    return next((each for each in inputs if _size(each.type, axis) == wanted), inputs[0] if inputs else None)


def likely(found: Diagnostic, inputs: tuple[Value, ...], scope: Scope) -> Diagnostic:
    """The error about tensors that do not fit, put where one of them got a size that the others have not."""
    if not inputs:
        return found
    match found.code:
        case "DL0205":
            blamed = _open(found, inputs[0])
        case "DL0207" if len(inputs) == 1:
            blamed = _made(inputs[0], DTYPE)
        case "DL0202" if len(inputs) == 1 and " rank " in found.message:
            blamed = _made(inputs[0], RANK)
        case "DL0201" | "DL0202":
            blamed = _of_two(found, inputs, scope)
        case _:
            blamed = None
    if blamed is None or blamed[0] == found.span:
        return found
    at, label = blamed
    kept = tuple(note for note in found.notes if note.span != at)
    return replace(found, span=at, label=label, notes=(Note(found.span, found.label or "it does not fit here"), *kept))


def undeclared(value: Value, axis: int, type_: ast.Type, wanted: Any, found: Diagnostic, scope: Scope) -> Diagnostic:
    """The error about a tensor that is not as the type says that is declared where it flows in: at the step that made it
    so, and where it comes from a signature itself at the one of the two declarations that is more alone in the file."""
    way = _Way(value, axis)
    begin = way.values[-1]
    if way.changes:
        node = way.changes[0][1]
        around = {*scope.ancestors(), *node.scope.ancestors()}
        at, label = _step(node, _size(value.type, axis), around, scope), f"this gives {node.outputs[0].type}"
    elif begin.producer is None and begin.span.source is found.span.source:
        text = begin.span.source.text
        given = begin.span.text.partition(":")[2].strip()
        numbers = (words(text)[str(size)] if axis < 0 else 0 for size in (_size(value.type, axis), wanted))
        ours, theirs = zip((text.count(given), text.count(type_.span.text)), numbers, strict=True)
        at, label = (type_.span, "declared here") if theirs < ours else (begin.span, "this flows in")
    else:
        return found
    notes = [Note(found.span, found.label or "it does not fit here"), Note(type_.span, "declared here"), *found.notes]
    kept = tuple(note for note in notes if note.span != at)
    return replace(found, span=at, label=label, notes=kept)


def _made(value: Value, axis: int) -> tuple[Span, str] | None:
    """The last step that changed something of a tensor."""
    changes = _Way(value, axis).changes
    return (changes[0][1].span, f"this gives {changes[0][1].outputs[0].type}") if changes else None


def _open(found: Diagnostic, value: Value) -> tuple[Span, str] | None:
    """Where the size was made that is open and has to be a number."""
    for axis, size in enumerate(value.type.shape, -value.type.rank):
        if not isinstance(size, int) and found.message.endswith(f" not {size}"):
            way = _Way(value, axis)
            begin = way.values[-1]
            if way.changes:
                return way.changes[0][1].span, f"this makes it {size}"
            if begin.producer is None:
                return begin.span, f"{size} is declared here"
    return None


def _of_two(found: Diagnostic, inputs: tuple[Value, ...], scope: Scope) -> tuple[Span, str] | None:
    """Of tensors that have to agree, the step that makes one differ."""
    differ = _differ(found, inputs)
    if differ is None:
        return None
    pair, axis = differ
    ways = [_Way(value, axis) for value in pair]
    ends = [way.values[-1] for way in ways]
    if _DEFAULT.search(found.message):
        return next(((end.span, "the default is here") for end in ends if end.producer is None), None)
    seen = set(ways[1].values)
    common = next((value for value in ways[0].values if value in seen), None)
    changes = [way.since(common) for way in ways]
    if not changes[0] and not changes[1]:
        if axis == RANK:
            first, target = (value.type for value in pair)
            of_vectors = target.dtype.is_integer and target.rank == 1 and first.rank > 2  # a class for each
            return (pair[0].span, f"this has {first.rank} axes") if of_vectors else None
        which = _rarer(ways, scope)
        declared = common is None and all(end.producer is None for end in ends)
        return (
            (ends[which].span, f"{_what(ends[which], axis)} is {_size(ends[which].type, axis)}") if declared else None
        )
    which = _rarer(ways, scope) if changes[0] and changes[1] else 0 if changes[0] else 1
    around = set(scope.ancestors())
    if changes[0] and changes[1]:  # in an instance of a block that makes both it is a step of that
        around |= set(changes[0][0].scope.ancestors()) & set(changes[1][0].scope.ancestors())
    size = _size(pair[which].type, axis)
    node = _suspect(changes[which], ways[which])
    return _step(node, size, around, scope), f"this makes {_what(pair[which], axis)} {size}"


def _what(value: Value, axis: int) -> str:
    return "the rank" if axis == RANK else f"axis {axis + value.type.rank}"


def _differ(found: Diagnostic, inputs: tuple[Value, ...]) -> tuple[tuple[Value, Value], int] | None:
    """The first two that have to agree and do not, and in what: the axis that the error names, or, of a target, the rank
    or the first axis behind the batch."""
    named = _AXIS.search(found.message)
    if named is not None:
        axis = int(named[1]) - max(value.type.rank for value in inputs)
        having = [value for value in inputs if _size(value.type, axis) not in (None, 1)]
        others = [value for value in having[1:] if _size(value.type, axis) != _size(having[0].type, axis)]
        return ((having[0], others[0]), axis) if others else None
    if not _TARGET.search(found.message):
        return None
    first, other = inputs[:2]
    a, b = first.type, other.type
    if a.rank != b.rank and (found.code == "DL0202" or not b.dtype.is_integer):
        return (first, other), RANK
    shared = min(a.rank, b.rank) - (a.rank != b.rank)
    return next((((first, other), axis) for axis in range(-shared, 0) if a.shape[axis] != b.shape[axis]), None)


def _rarer(ways: list[_Way], scope: Scope) -> int:
    """Which of two has the size that is written less often; else the one that stands later."""
    text = words(scope.span.source.text)
    first, other = (text[str(_size(way.values[0].type, way.axis))] for way in ways)
    if first != other:
        return 0 if first < other else 1
    starts = [(way.changes[0][1] if way.changes else way.values[-1]).span.start for way in ways]
    return 0 if starts[0] > starts[1] else 1


def _suspect(changes: list[Node], way: _Way) -> Node:
    """Of steps that change a size, the last that adds to it or takes from it, as those do that should keep it; else the
    last."""
    if way.axis >= 0:
        return changes[0]
    for node in changes:
        before, after = _size(node.inputs[0].type, way.axis), _size(node.outputs[0].type, way.axis)
        if before is not None and after is not None and not isinstance(after, int) and isinstance(after - before, int):
            return node
    return changes[0]


def _step(node: Node, size: Any, around: set[Scope], scope: Scope) -> Span:
    """Where a step is written, on the level of the place where the error shows; or the argument that it was given there."""
    inside = [each for each in node.scope.ancestors() if each not in around and each.declaration]
    at = inside[-1].span if inside else node.span
    written = node.origin.written
    name = next((n for n in ("out_channels", "out_features") if isinstance(size, int) and n in written), "kernel_size")
    if name in written:
        given = root(written[name], name).span
        if given.source is scope.span.source and not (node.span.start <= given.start < node.span.end):
            return given
    return at
